import { Drawer } from "../ui/dialog";
import { Sidebar } from "./sidebar";

export default function NavDrawer({ onClose }: { onClose: () => void }) {
  return (
    <Drawer title="Navigation" side="left" open onClose={onClose}>
      <Sidebar />
    </Drawer>
  );
}
