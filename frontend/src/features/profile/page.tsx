import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { confirmAlarms, meQuery } from "../../api/identity";
import type { Me } from "../../api/types";
import { date, plural, sentence } from "../../lib/format";
import { Button } from "../../ui/button";
import { PageHeader } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { Password, Person } from "./person";
import { Sessions } from "./sessions";
import { TwoStep } from "./two-step";

export default function Profile() {
  const me = useQuery(meQuery());
  return (
    <>
      <PageHeader title="My profile" meta={me.data && <span>{`${sentence(me.data.role)} since ${date(me.data.created_at)}`}</span>} />
      <QueryState query={me} skeleton={<Skeleton rows={3} height={200} />}>
        {me.data && (
          <div className="grid gap-4">
            {me.data.alarms > 0 && <Alarm me={me.data} />}
            <div className="grid items-start gap-4 lg:grid-cols-2">
              <div className="grid gap-4">
                <Person account={me.data} />
                <TwoStep me={me.data} />
              </div>
              <Password account={me.data} />
            </div>
            <Sessions />
          </div>
        )}
      </QueryState>
    </>
  );
}

/** Stays until the person says that they know. */
function Alarm({ me }: { me: Me }) {
  const cache = useQueryClient();
  const known = useMutation({
    mutationFn: confirmAlarms,
    onSuccess: () => {
      cache.setQueryData(["me"], { ...me, alarms: 0 });
      void cache.invalidateQueries({ queryKey: ["sessions"] });
    },
    onError: toast.failed,
  });
  return (
    <div role="alert" className="grid gap-2 rounded-md border border-bad bg-bad-soft px-4 py-3">
      <p className="font-medium text-bad">{me.alarms === 1 ? "A session of yours was ended for safety" : `${plural(me.alarms, "session")} of yours were ended for safety`}</p>
      <p className="text-sm">A copy of its key was used: the list below says which. It can happen when a browser is restored from a backup. If you cannot explain it, change your password.</p>
      <Button size="sm" className="justify-self-start" isPending={known.isPending} onPress={() => known.mutate()}>
        Dismiss
      </Button>
    </div>
  );
}
