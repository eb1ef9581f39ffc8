import { Upload } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";

type Taker = (file: File) => void;

/** Whoever takes a dropped file: the page that is open, if it wants files itself, before the app as a whole. */
const takers: Taker[] = [];

/** A file dropped anywhere goes to this page while it is open. */
export function PageDrop({ onFile, children }: { onFile: Taker; children?: ReactNode }) {
  useEffect(() => {
    takers.push(onFile);
    return () => void takers.splice(takers.indexOf(onFile), 1);
  }, [onFile]);
  return <>{children}</>;
}

/** Catches a file dropped anywhere in the app, so that the browser never leaves it to open the file, and says so while one is held over it. */
export function FileCatcher({ onFile, refusal }: { onFile: Taker; /** Why this person may not import, in words. */ refusal: string | null }) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const carriesFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (event: DragEvent) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const drop = (event: DragEvent) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      setOver(false);
      const file = event.dataTransfer?.files[0];
      if (file && refusal === null) (takers.at(-1) ?? onFile)(file);
    };
    addEventListener("dragover", enter);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", enter);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, [onFile, refusal]);
  if (!over) return null;
  return (
    <div className="fade-in pointer-events-none fixed inset-3 z-50 grid place-items-center rounded-lg border-2 border-dashed border-accent bg-solid">
      <p className="flex items-center gap-3 px-6 text-center text-lg font-semibold text-accent">
        <Upload aria-hidden className="shrink-0" /> {refusal ?? "Drop the file to import it"}
      </p>
    </div>
  );
}
