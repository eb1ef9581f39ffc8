import { useEffect, useState, type ReactNode } from "react";
import { FileTrigger } from "react-aria-components/FileTrigger";
import { Upload } from "lucide-react";

export const ACCEPTED = [".csv", ".json", ".jsonl", ".ndjson", ".txt", "text/csv", "application/json"];

/** Takes a file dropped anywhere on the page and says so while one is held over it. */
export function PageDrop({ onFile, children }: { onFile: (file: File) => void; children?: ReactNode }) {
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
      if (file) onFile(file);
    };
    addEventListener("dragover", enter);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", enter);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, [onFile]);
  return (
    <>
      {children}
      {over && (
        <div className="fade-in pointer-events-none fixed inset-3 z-40 grid place-items-center rounded-lg border-2 border-dashed border-accent bg-solid/95">
          <p className="flex items-center gap-3 text-lg font-semibold text-accent">
            <Upload aria-hidden /> Drop the file to import it
          </p>
        </div>
      )}
    </>
  );
}

export function FileButton({ onFile, children }: { onFile: (file: File) => void; children: ReactNode }) {
  return (
    <FileTrigger
      acceptedFileTypes={ACCEPTED}
      onSelect={(files) => {
        const file = files?.[0];
        if (file) onFile(file);
      }}
    >
      {children}
    </FileTrigger>
  );
}
