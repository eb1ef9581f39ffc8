import type { Row } from "../../realtime/backlog";
import { dateTime, time } from "../../lib/format";
import { Chip } from "../../ui/chip";
import { Drawer } from "../../ui/dialog";
import { JsonView } from "../../ui/json-view";
import { Definition } from "../../ui/layout";
import { categoryTones, categoryWords } from "./words";

export const CategoryChip = ({ row }: { row: Row }) => <Chip tone={categoryTones[row.category]}>{categoryWords[row.category]}</Chip>;

/** One event, whole. */
export function EventDrawer({ row, onClose }: { row: Row; onClose: () => void }) {
  return (
    <Drawer title={row.event_type} open onClose={onClose}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-5 p-5">
        <Definition
          items={[
            ["Category", <CategoryChip key="category" row={row} />],
            ["Time", <span key="time" title={row.timestamp}>{`${dateTime(row.timestamp)} (${time(row.timestamp)})`}</span>],
            ["Source", row.source],
            ["Event id", <span key="id" className="font-mono text-xs">{row.event_id}</span>],
            ["Place in the channel", row.offset ?? <span key="none" className="text-muted">not known: it came with the state to begin from</span>],
          ]}
        />
        <section className="grid grid-cols-[minmax(0,1fr)] gap-2">
          <h3 className="font-semibold">Data</h3>
          <JsonView label="Data" value={row.data} />
        </section>
        {Object.keys(row.metadata).length > 0 && (
          <section className="grid grid-cols-[minmax(0,1fr)] gap-2">
            <h3 className="font-semibold">Metadata</h3>
            <JsonView label="Metadata" value={row.metadata} />
          </section>
        )}
      </div>
    </Drawer>
  );
}
