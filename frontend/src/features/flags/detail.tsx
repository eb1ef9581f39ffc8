import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { OctagonX, Trash2, Undo2 } from "lucide-react";
import { useState } from "react";
import { changeFlag, flagQuery } from "../../api/flags";
import type { Flag } from "../../api/types";
import { ago } from "../../lib/format";
import { Button } from "../../ui/button";
import { PageHeader } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { KillDialog, ReasonDialog, RemoveDialog, useMayChange } from "./dialogs";
import { Editor } from "./editor";
import { History } from "./history";
import { shownValue } from "./model";
import { StateChip } from "./page";
import { TryContext } from "./try-context";

export default function FlagPage() {
  const { flagName } = useParams({ from: "/flags/$flagName" });
  const flag = useQuery(flagQuery(flagName));
  return (
    <QueryState query={flag} skeleton={<Skeleton rows={3} height={160} />}>
      {flag.data && <Shown flag={flag.data} />}
    </QueryState>
  );
}

function Shown({ flag }: { flag: Flag }) {
  const [asking, setAsking] = useState<"kill" | "lift" | "remove" | null>(null);
  const mayChange = useMayChange();
  const close = () => setAsking(null);
  return (
    <>
      <PageHeader needs="flags:write"
        title={flag.name}
        back={{ to: "/flags", label: "Feature flags" }}
        meta={
          <>
            <StateChip state={flag.state} />
            <span>
              {flag.type}, gives “{shownValue(flag.in_force)}” without a context
            </span>
            <span>version {flag.version}</span>
            {flag.changed_at && (
              <span>
                {ago(flag.changed_at)} by {flag.by}
              </span>
            )}
          </>
        }
        actions={
          mayChange && (
            <>
              {!flag.is_own && (
                <Button icon={<Trash2 aria-hidden />} onPress={() => setAsking("remove")}>
                  Remove
                </Button>
              )}
              {flag.killed ? (
                <Button variant="primary" icon={<Undo2 aria-hidden />} onPress={() => setAsking("lift")}>
                  Lift kill switch
                </Button>
              ) : (
                <Button variant="danger" icon={<OctagonX aria-hidden />} onPress={() => setAsking("kill")}>
                  Kill
                </Button>
              )}
            </>
          )
        }
      />
      {flag.killed && flag.reason && (
        <p role="status" className="mb-4 rounded-md border border-bad bg-bad-soft px-4 py-3 text-sm wrap-anywhere">
          Killed: everybody gets “{shownValue(flag.off)}”. “{flag.reason}”
        </p>
      )}
      <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1.5fr)_minmax(19rem,1fr)]">
        <Editor flag={flag} mayChange={mayChange} />
        <div className="grid gap-4">
          <TryContext flag={flag} />
          <History flag={flag} mayChange={mayChange} />
        </div>
      </div>
      {asking === "kill" && <KillDialog flag={flag} onClose={close} />}
      {asking === "remove" && <RemoveDialog flag={flag} onClose={close} />}
      {asking === "lift" && (
        <ReasonDialog
          title={`Lift the kill switch of ${flag.name}?`}
          action="Lift it"
          onClose={close}
          run={async (reason) => {
            await changeFlag(flag, { killed: false }, reason);
            toast.done(`${flag.name} is in use again`);
          }}
        >
          <p>Its rules, targets and percentage apply again, as they were.</p>
        </ReasonDialog>
      )}
    </>
  );
}
