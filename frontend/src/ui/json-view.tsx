import { Copy } from "lucide-react";
import { IconButton } from "./button";
import { toast } from "./toast";

/** Data as it is, readable and to be copied; it scrolls inside, never the page. */
export function JsonView({ label, value }: { label: string; value: unknown }) {
  return <CodeBox label={label} text={JSON.stringify(value, null, 2)} />;
}

export function CodeBox({ label, text }: { label: string; text: string }) {
  const copy = () => navigator.clipboard.writeText(text).then(() => toast.done("Copied"), toast.failed);
  return (
    <div className="relative">
      <pre tabIndex={0} role="region" aria-label={label} className="max-h-96 overflow-auto rounded-md border border-line bg-solid px-4 py-3 pr-12 font-mono text-xs leading-relaxed">
        {text}
      </pre>
      {"clipboard" in navigator && (
        <IconButton label="Copy" className="absolute top-1.5 right-3 !bg-solid" onPress={() => void copy()}>
          <Copy />
        </IconButton>
      )}
    </div>
  );
}
