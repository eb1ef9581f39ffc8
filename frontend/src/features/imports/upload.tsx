import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Upload } from "lucide-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { uploadImport } from "../../api/imports";
import { Problem } from "../../api/problem";
import { bytes } from "../../lib/format";
import { pendingUpload } from "../../lib/pending-upload";
import { Button } from "../../ui/button";
import { PageDrop } from "../../ui/file-catcher";
import { FileButton } from "../../ui/file-drop";
import { Progress } from "../../ui/progress";
import { EmptyState, Problems } from "../../ui/states";

const LIMIT = 512 * 1024 * 1024; // the API answers 413 above this

interface Sending {
  file: File;
  ratio: number;
}

export function UploadPhase() {
  const navigate = useNavigate();
  const cache = useQueryClient();
  const [sending, setSending] = useState<Sending | null>(null);
  const [error, setError] = useState<unknown>(null);
  const abort = useRef<AbortController | null>(null);

  const send = useCallback(
    async (file: File) => {
      setError(null);
      if (file.size > LIMIT) {
        setError(new Problem({ status: 413, code: "too_large", title: "The file is too large", detail: `${file.name} has ${bytes(file.size)}; the limit is ${bytes(LIMIT)}. Split it and import the parts.` }));
        return;
      }
      const controller = new AbortController();
      abort.current = controller;
      setSending({ file, ratio: 0 });
      try {
        const item = await uploadImport(file, (ratio) => setSending({ file, ratio }), controller.signal);
        cache.setQueryData(["imports", "detail", item.id], item);
        void cache.invalidateQueries({ queryKey: ["imports", "list"] });
        void navigate({ to: "/imports/$importId", params: { importId: item.id }, replace: true });
      } catch (reason) {
        if (!controller.signal.aborted) setError(reason);
      } finally {
        setSending(null);
      }
    },
    [cache, navigate],
  );

  useEffect(() => {
    const waiting = pendingUpload.take();
    if (waiting) void send(waiting);
  }, [send]);

  if (sending)
    return (
      <div className="card grid gap-4 p-6">
        <p className="text-md">
          <span className="font-medium">{sending.file.name}</span> <span className="text-muted">{bytes(sending.file.size)}</span>
        </p>
        <Progress label={sending.ratio < 1 ? "Uploading" : "Uploaded; the server is reading the first rows"} value={sending.ratio} />
        <Button className="justify-self-start" onPress={() => abort.current?.abort()}>
          Cancel upload
        </Button>
      </div>
    );
  return (
    <PageDrop onFile={(file) => void send(file)}>
      <div className="card p-4">
        <Problems error={error} className="mb-4" />
        <div className="rounded-lg border-2 border-dashed border-line-strong bg-solid">
          <EmptyState
            icon={<Upload aria-hidden />}
            title="Drop a file here"
            action={
              <FileButton onFile={(file) => void send(file)}>
                <Button variant="primary">Choose a file</Button>
              </FileButton>
            }
          >
            CSV with a header row, a JSON list, or JSON Lines, up to {bytes(LIMIT)}. Nothing is written until you have mapped the columns.
          </EmptyState>
        </div>
        <Samples />
      </div>
    </PageDrop>
  );
}

const samples: [string, string][] = [
  ["CSV", "phone,name,city,consent\n+351912345678,Ana,Lisbon,yes\n+351913456789,Bruno,Porto,no"],
  ["JSON", '[{"phone": "+351912345678",\n  "name": "Ana", "city": "Lisbon",\n  "consent": "yes"}]'],
  ["JSON Lines", '{"phone": "+351912345678", "name": "Ana"}\n{"phone": "+351913456789", "name": "Bruno"}'],
];

function Samples() {
  return (
    <div className="mt-4 grid gap-3 md:grid-cols-3">
      {samples.map(([name, text]) => (
        <figure key={name} className="min-w-0 rounded-md border border-line bg-sunken p-3">
          <figcaption className="text-sm font-medium">{name}</figcaption>
          <pre className="mt-1.5 overflow-x-auto font-mono text-xs text-muted" tabIndex={0} role="region" aria-label={`${name} sample`}>
            {text}
          </pre>
        </figure>
      ))}
    </div>
  );
}
