import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { Menu as MenuIcon, Search } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from "react";
import { I18nProvider } from "react-aria-components/I18nProvider";
import { RouterProvider as AriaRouterProvider } from "react-aria-components";
import { meQuery } from "../api/identity";
import { sandboxQuery } from "../api/monitoring";
import { locale } from "../lib/format";
import { pendingUpload } from "../lib/pending-upload";
import { useLacks, WhoContext } from "../lib/permissions";
import { IconButton } from "../ui/button";
import { FileCatcher } from "../ui/file-catcher";
import { Kbd } from "../ui/layout";
import { Skeleton } from "../ui/states";
import { onFirstToast } from "../ui/toast";
import { useLive } from "../realtime/client";
import { AccountButton } from "./account-button";
import { Alarm } from "./alarm";
import { Bell } from "./bell";
import { HeldBanner } from "./held-banner";
import { LiveChip } from "./live-chip";
import { OfflineBanner } from "./offline-banner";
import { remember } from "./recent";
import { Sidebar } from "./sidebar";
import { useShortcuts } from "./shortcuts";

const loadPalette = () => import("./palette");
const Palette = lazy(loadPalette);
const ShortcutSheet = lazy(() => import("./shortcut-sheet"));
const Toasts = lazy(() => import("./toasts"));
const NavDrawer = lazy(() => import("./nav-drawer"));

type Overlay = "palette" | "sheet" | "drawer" | null;

export function Shell() {
  const navigate = useNavigate();
  const me = useQuery(meQuery()).data ?? null;
  const [overlay, setOverlay] = useState<Overlay>(null);
  const [toasts, setToasts] = useState(false);
  useEffect(() => onFirstToast(() => setToasts(true)), []);
  const path = useRouterState({ select: (state) => state.location.pathname });
  useLive("dashboard", "alerts"); // on every page, so that the chip and the bell tell the truth on every page
  useEffect(() => {
    setOverlay((shown) => (shown === "drawer" ? null : shown));
    remember(path);
  }, [path]);
  useShortcuts(
    useMemo(
      () => ({ go: (to) => void navigate({ to }), openPalette: () => setOverlay("palette"), openSheet: () => setOverlay("sheet") }),
      [navigate],
    ),
  );
  const close = () => setOverlay(null);
  return (
    <WhoContext value={me}>
    <I18nProvider locale={locale}>
      <AriaRouterProvider navigate={(to) => void navigate({ to })}>
        <a href="#main" className="sr-only focus:not-sr-only focus:fixed focus:top-3 focus:left-3 focus:z-50 focus:rounded-md focus:bg-accent focus:px-4 focus:py-2 focus:text-on-accent">
          Skip to content
        </a>
        <div className="lg:grid lg:grid-cols-[248px_minmax(0,1fr)]">
          <aside className="glass sticky top-0 hidden h-dvh border-r border-line lg:block">
            <Sidebar />
          </aside>
          <div className="min-w-0">
            <TopBar onMenu={() => setOverlay("drawer")} onSearch={() => setOverlay("palette")} />
            <main id="main" tabIndex={-1} className="mx-auto w-full max-w-[1680px] px-4 pt-6 pb-16 outline-none sm:px-6 lg:px-8">
              <OfflineBanner />
              <HeldBanner />
              <Alarm />
              <Suspense fallback={<Skeleton />}>
                <Outlet />
              </Suspense>
            </main>
          </div>
        </div>
        <Dropped />
        <Suspense fallback={null}>
          {overlay === "palette" && <Palette onClose={close} />}
          {overlay === "sheet" && <ShortcutSheet onClose={close} />}
          {overlay === "drawer" && <NavDrawer onClose={close} />}
          {toasts && <Toasts />}
        </Suspense>
      </AriaRouterProvider>
    </I18nProvider>
    </WhoContext>
  );
}

function TopBar({ onMenu, onSearch }: { onMenu: () => void; onSearch: () => void }) {
  return (
    <header className="glass sticky top-0 z-30 flex h-14 items-center gap-1.5 border-b sm:gap-2 border-line px-3 sm:px-6 lg:px-8">
      <IconButton label="Open navigation" className="lg:hidden" onPress={onMenu}>
        <MenuIcon />
      </IconButton>
      <button
        type="button"
        onClick={onSearch}
        onPointerEnter={() => void loadPalette()}
        aria-label="Search and commands"
        className="flex h-9 w-full max-w-80 min-w-11 shrink items-center overflow-hidden gap-2.5 rounded-md border border-line-strong bg-solid px-3 text-left text-muted hover:bg-sunken pointer-coarse:h-11 max-sm:w-11 max-sm:justify-center max-sm:px-0"
      >
        <Search aria-hidden className="size-4 shrink-0" />
        <span className="min-w-0 grow truncate max-sm:hidden">Go to, run, or find a contact…</span>
        <span className="flex gap-1 max-lg:hidden">
          <Kbd>Ctrl</Kbd>
          <Kbd>K</Kbd>
        </span>
      </button>
      <div className="ml-auto flex min-w-0 items-center gap-1 sm:gap-2.5">
        <SandboxChip />
        <LiveChip />
        <Bell />
        <AccountButton />
      </div>
    </header>
  );
}

function SandboxChip() {
  const sandbox = useQuery(sandboxQuery());
  if (!sandbox.data?.active) return null;
  return (
    <Link to="/inbound" search={{}} className="flex h-7 items-center gap-2 rounded-full border border-warn/50 bg-warn-soft px-2.5 text-xs font-medium whitespace-nowrap text-warn sm:px-3 pointer-coarse:h-9">
      <span aria-hidden className="size-1.5 rounded-full bg-current" />
      <span>
        <span className="max-[22rem]:sr-only">Sandbox</span>
        <span className="max-lg:sr-only">: nothing leaves this machine</span>
      </span>
    </Link>
  );
}

/** A file dropped anywhere is imported, as it is on Contacts. */
function Dropped() {
  const navigate = useNavigate();
  const refusal = useLacks("contacts:write");
  const take = useCallback(
    (file: File) => {
      pendingUpload.put(file);
      void navigate({ to: "/imports/$importId", params: { importId: "new" } });
    },
    [navigate],
  );
  return <FileCatcher onFile={take} refusal={refusal} />;
}
