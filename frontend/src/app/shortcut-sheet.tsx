import { Dialog } from "../ui/dialog";
import { Kbd } from "../ui/layout";
import { places } from "./nav";

const general: [string[], string][] = [
  [["Ctrl", "K"], "Search and commands"],
  [["/"], "Filter the list on this page"],
  [["?"], "Show keyboard shortcuts"],
  [["Esc"], "Close the open dialog or menu"],
];

export default function ShortcutSheet({ onClose }: { onClose: () => void }) {
  const rows: [string[], string][] = [...general, ...places.map((place): [string[], string] => [["g", place.key], place.label])];
  return (
    <Dialog title="Keyboard" open onClose={onClose}>
      <dl className="grid gap-x-8 gap-y-2.5 sm:grid-cols-2">
        {rows.map(([keys, what]) => (
          <div key={what} className="flex items-center justify-between gap-4">
            <dt>{what}</dt>
            <dd className="flex shrink-0 gap-1">
              {keys.map((key) => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <p className="mt-5 text-sm text-muted">You can turn off single-key shortcuts in Settings. They are ignored while you type.</p>
    </Dialog>
  );
}
