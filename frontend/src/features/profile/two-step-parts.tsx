import { Download } from "lucide-react";
import { useState } from "react";
import type { TwoStepSetup } from "../../api/types";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Checkbox } from "../../ui/field";

/** The QR code is dark on white in both themes: scanners want it so. */
export function Scan({ setup }: { setup: TwoStepSetup }) {
  const grouped = setup.secret.match(/.{1,4}/g)?.join(" ") ?? setup.secret;
  return (
    <div className="flex flex-wrap items-center gap-5">
      <img src={`data:image/svg+xml,${encodeURIComponent(setup.qr_svg)}`} alt="QR code for your authenticator app" className="size-48 rounded-md bg-white" />
      <div className="grid min-w-0 flex-1 basis-48 gap-1.5 text-sm">
        <p>Scan this with the app.</p>
        <p className="text-muted">If you cannot scan, write this key into the app:</p>
        <p className="font-mono wrap-anywhere select-all">{grouped}</p>
      </div>
    </div>
  );
}

/** Shown once; the dialog closes by its button, when the person says that they have them. */
export function BackupCodes({ codes, title, onClose }: { codes: string[]; title: string; onClose: () => void }) {
  const [kept, setKept] = useState(false);
  const file = `data:text/plain;charset=utf-8,${encodeURIComponent(`Backup codes for ${location.host}\nEach works once.\n\n${codes.join("\n")}\n`)}`;
  const footer = (
    <Button variant="primary" isDisabled={!kept} onPress={onClose}>
      Done
    </Button>
  );
  return (
    <Dialog title={title} open role="alertdialog" onClose={() => kept && onClose()} footer={footer}>
      <div className="grid gap-4">
        <p>Each of these backup codes signs you in once, in place of the app’s code. They cannot be shown again. Store them where you can reach them without your phone.</p>
        <ul aria-label="Backup codes" className="grid gap-x-6 gap-y-1 font-mono sm:grid-cols-2">
          {codes.map((code) => (
            <li key={code} className="select-all">
              {code}
            </li>
          ))}
        </ul>
        <a href={file} download="backup-codes.txt" className="inline-flex min-h-11 items-center gap-2 justify-self-start text-accent underline underline-offset-4">
          <Download aria-hidden className="size-4" />
          Download as a file
        </a>
        <Checkbox checked={kept} onChange={setKept}>
          I have stored the codes
        </Checkbox>
      </div>
    </Dialog>
  );
}
