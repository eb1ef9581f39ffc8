import { useMutation } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { useState } from "react";
import { tryContext } from "../../api/flags";
import type { Flag } from "../../api/types";
import { Button, IconButton } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { TextField } from "../../ui/field";
import { Card } from "../../ui/layout";
import { Problems } from "../../ui/states";
import { reasonText, scalar, shownValue } from "./model";

interface Row {
  name: string;
  value: string;
}

/** The attributes that the flag asks for, to begin with. */
const asked = (flag: Flag): Row[] => [...new Set([flag.key, ...flag.rules.flatMap((rule) => rule.when.map((constraint) => constraint.attribute))])].map((name) => ({ name, value: "" }));

/** What the saved flag gives somebody, and why: asked of the server, which answers as it does for everybody. */
export function TryContext({ flag }: { flag: Flag }) {
  const [rows, setRows] = useState<Row[]>(() => asked(flag));
  const put = (index: number, patch: Partial<Row>) => setRows((old) => old.map((row, at) => (at === index ? { ...row, ...patch } : row)));
  const attempt = useMutation({
    mutationFn: () => tryContext(flag.name, Object.fromEntries(rows.filter((row) => row.name.trim() && row.value.trim()).map((row) => [row.name.trim(), row.name.trim() === flag.key ? row.value.trim() : scalar(row.value)]))),
  });
  const answer = attempt.data?.items[0];
  return (
    <Card title="Try a context">
      <form
        className="grid gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          attempt.mutate();
        }}
      >
        {rows.map((row, index) => (
          <div key={index} className="grid grid-cols-[minmax(0,1fr)_minmax(0,1fr)_auto] items-end gap-2">
            <TextField label="Attribute" mono value={row.name} onChange={(name) => put(index, { name })} />
            <TextField label="Value" value={row.value} onChange={(value) => put(index, { value })} placeholder={row.name === flag.key ? "contact-1" : undefined} />
            <IconButton label={`Remove attribute ${index + 1}`} onPress={() => setRows((old) => old.filter((_, at) => at !== index))}>
              <X />
            </IconButton>
          </div>
        ))}
        <div className="flex flex-wrap justify-between gap-2">
          <Button size="sm" variant="ghost" icon={<Plus aria-hidden />} onPress={() => setRows((old) => [...old, { name: "", value: "" }])}>
            Attribute
          </Button>
          <Button size="sm" variant="primary" type="submit" isPending={attempt.isPending}>
            Try
          </Button>
        </div>
        <Problems error={attempt.error} />
        <div role="status">
          {answer && (
            <div className="grid gap-1 rounded-md border border-line bg-solid px-4 py-3">
              <p className="flex flex-wrap items-center justify-between gap-2">
                <span className="font-semibold wrap-anywhere">{shownValue(answer.value)}</span>
                <Chip tone={answer.reason === "ERROR" ? "bad" : answer.reason === "STALE" ? "warn" : "info"}>{answer.reason}</Chip>
              </p>
              <p className="text-sm text-muted wrap-anywhere">
                Because {reasonText(answer.reason, answer.detail)}; version {answer.version}
                {answer.variant && answer.variant !== "on" && answer.variant !== "off" && `, variant ${answer.variant}`}.
              </p>
              {answer.version !== flag.version && <p className="text-xs text-warn">The process that answered has version {answer.version} in force.</p>}
            </div>
          )}
        </div>
      </form>
    </Card>
  );
}
