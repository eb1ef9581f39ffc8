import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Clock, CornerDownLeft, Moon, Pause, Plus, Search, Upload, User } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Autocomplete } from "react-aria-components/Autocomplete";
import { Dialog } from "react-aria-components/Dialog";
import { Header } from "react-aria-components/Header";
import { Input } from "react-aria-components/Input";
import { Menu, MenuItem, MenuSection } from "react-aria-components/Menu";
import { Modal, ModalOverlay } from "react-aria-components/Modal";
import { SearchField } from "react-aria-components/SearchField";
import { useFilter } from "react-aria-components";
import { contactPickerQuery } from "../api/contacts";
import { useMay } from "../lib/permissions";
import { setAppearance } from "../lib/appearance";
import { personName } from "../lib/format";
import { useDebounced } from "../lib/hooks";
import { setPaused, useLiveState } from "../realtime/client";
import { Kbd } from "../ui/layout";
import { useAllowed } from "./allowed";
import { places } from "./nav";
import { recent } from "./recent";

interface Command {
  id: string;
  label: string;
  /** What it is found by, where that is more than its label. */
  words?: string;
  icon: ReactNode;
  keys?: string[];
  run: () => void;
}

function useCommands(): { title: string; commands: Command[] }[] {
  const navigate = useNavigate();
  const live = useLiveState();
  const allowed = useAllowed();
  const mayWrite = useMay("campaigns:write");
  const mayImport = useMay("contacts:write");
  const go = (to: string) => () => void navigate({ to });
  const dark = document.documentElement.dataset.theme === "dark";
  return [
    {
      title: "Go to",
      commands: [
        ...places.filter(allowed).map((place) => ({ id: place.to, label: place.label, icon: <place.icon aria-hidden />, keys: ["g", place.key], run: go(place.to) })),
        { id: "/profile", label: "My profile", icon: <User aria-hidden />, run: go("/profile") },
      ],
    },
    {
      title: "Run",
      commands: [
        ...(mayWrite ? [
        { id: "new-campaign", label: "New campaign", icon: <Plus aria-hidden />, run: go("/campaigns/new/edit") },
        { id: "new-template", label: "New template", icon: <Plus aria-hidden />, run: go("/templates/new") },
        { id: "new-segment", label: "New segment", icon: <Plus aria-hidden />, run: go("/segments/new") },
        ] : []),
        ...(mayImport ? [{ id: "import", label: "Import contacts", icon: <Upload aria-hidden />, run: go("/imports/new") }] : []),
        { id: "pause", label: live.paused ? "Resume live updates" : "Pause live updates", icon: <Pause aria-hidden />, run: () => setPaused(!live.paused) },
        { id: "theme", label: dark ? "Use the light theme" : "Use the dark theme", icon: <Moon aria-hidden />, run: () => setAppearance({ theme: dark ? "light" : "dark" }) },
      ],
    },
    { title: "Recent", commands: recent().map((visit) => ({ id: `recent ${visit.path}`, label: visit.title, icon: <Clock aria-hidden />, run: go(visit.path) })) },
  ].filter((group) => group.commands.length > 0);
}

/** People whose name, number or attribute holds what was typed. */
function usePeople(typed: string): { title: string; commands: Command[] }[] {
  const mayReveal = useMay("contacts:reveal");
  const navigate = useNavigate();
  const text = useDebounced(typed.trim(), 200);
  const found = useQuery({ ...contactPickerQuery(text), enabled: text.length >= 2 && mayReveal === true });
  const commands = (text.length >= 2 ? (found.data?.items ?? []).slice(0, 6) : []).map((contact) => ({
    id: `contact ${contact.id}`,
    label: personName({ phone: contact.phone, name: contact.attributes.name }),
    words: `${typed} ${contact.attributes.name ?? ""} ${contact.phone}`, // the server has matched it already
    icon: <User aria-hidden />,
    run: () => void navigate({ to: "/contacts/$contactId", params: { contactId: contact.id } }),
  }));
  return commands.length > 0 ? [{ title: "Contacts", commands }] : [];
}

export default function Palette({ onClose }: { onClose: () => void }) {
  const [typed, setTyped] = useState("");
  const commands = useCommands();
  const people = usePeople(typed);
  const groups = [...commands, ...people];
  const { contains } = useFilter({ sensitivity: "base" });
  return (
    <ModalOverlay isOpen isDismissable onOpenChange={(open) => !open && onClose()} className="fade-in fixed inset-0 z-50 flex items-start justify-center bg-[var(--scrim)] p-3 pt-[10dvh]">
      <Modal className="glass-2 pop-in w-full max-w-xl overflow-hidden rounded-lg border border-line shadow-card">
        <Dialog aria-label="Search and commands" className="outline-none">
          <Autocomplete filter={contains} inputValue={typed} onInputChange={setTyped}>
            <SearchField aria-label="Search and commands" autoFocus className="flex items-center gap-3 border-b border-line px-4">
              <Search aria-hidden className="size-[18px] shrink-0 text-muted" />
              <Input placeholder="Go to, run, or find a contact…" className="h-13 w-full bg-transparent text-md !outline-none placeholder:text-muted [&::-webkit-search-cancel-button]:hidden" />
              <Kbd>Esc</Kbd>
            </SearchField>
            <div role="group" aria-label="Results" tabIndex={0} className="max-h-[56dvh] overflow-auto outline-offset-[-2px]">
            <Menu aria-label="Commands" className="p-2 outline-none" onClose={onClose} renderEmptyState={() => <p className="px-3 py-6 text-center text-muted">No results.</p>}>
              {groups.map((group) => (
                <MenuSection key={group.title} id={group.title}>
                  <Header className="px-3 pt-2.5 pb-1 text-xs font-medium text-muted">{group.title}</Header>
                  {group.commands.map((command) => (
                    <MenuItem
                      key={command.id}
                      id={command.id}
                      textValue={command.words ?? command.label}
                      onAction={() => {
                        onClose();
                        command.run();
                      }}
                      className="group flex min-h-10 pointer-coarse:min-h-11 cursor-pointer items-center gap-3 rounded-md px-3 outline-none data-[focused]:bg-accent-soft [&_svg]:size-4 [&_svg]:text-muted"
                    >
                      {command.icon}
                      <span className="grow truncate">{command.label}</span>
                      {command.keys?.map((key) => <Kbd key={key}>{key}</Kbd>)}
                      <CornerDownLeft aria-hidden className="hidden group-data-[focused]:block" />
                    </MenuItem>
                  ))}
                </MenuSection>
              ))}
            </Menu>
            </div>
          </Autocomplete>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
