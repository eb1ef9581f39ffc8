import type { Alert, AlertState, HealthStatus } from "../api/types";
import { Chip, type Tone } from "./chip";

const severities: Record<Alert["severity"], [Tone, string]> = { page: ["bad", "Urgent"], ticket: ["warn", "Warning"], none: ["neutral", "Note"] };
export function SeverityChip({ severity }: { severity: Alert["severity"] }) {
  const [tone, word] = severities[severity];
  return <Chip tone={tone}>{word}</Chip>;
}

const states: Record<AlertState, [Tone, string]> = {
  firing: ["bad", "Firing"], acknowledged: ["info", "Acknowledged"], silenced: ["neutral", "Silenced"], inhibited: ["neutral", "Consequence"], resolved: ["ok", "Resolved"],
};
export function AlertStateChip({ state }: { state: AlertState }) {
  const [tone, word] = states[state];
  return (
    <Chip tone={tone} live={state === "firing"}>
      {word}
    </Chip>
  );
}

const healths: Record<HealthStatus, [Tone, string]> = { pass: ["ok", "Works"], warn: ["warn", "Warning"], fail: ["bad", "Fails"] };
export const healthWord = (status: HealthStatus): string => healths[status][1];
export function HealthChip({ status }: { status: HealthStatus }) {
  const [tone, word] = healths[status];
  return <Chip tone={tone}>{word}</Chip>;
}
