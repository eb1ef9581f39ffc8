import type { ReactNode } from "react";
import { FileTrigger } from "react-aria-components/FileTrigger";

export const ACCEPTED = [".csv", ".json", ".jsonl", ".ndjson", ".txt", "text/csv", "application/json"];

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
