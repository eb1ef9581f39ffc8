import { useEffect } from "react";
import { appearance } from "../lib/appearance";
import { places, type Place } from "./nav";

interface Handlers {
  go: (to: Place["to"]) => void;
  openPalette: () => void;
  openSheet: () => void;
}

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName));

/** Ctrl/Cmd-K always; single keys only outside fields and dialogs, and only while switched on in Settings. */
export function useShortcuts(handlers: Handlers): void {
  useEffect(() => {
    let awaitingPlace = 0;
    const press = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        handlers.openPalette();
        return;
      }
      const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
      if (!plain || !appearance().shortcuts || typing(event.target) || document.querySelector('[role="dialog"],[role="alertdialog"]')) return;
      if (Date.now() - awaitingPlace < 1200) {
        awaitingPlace = 0;
        const place = places.find((entry) => entry.key === event.key);
        if (place) {
          event.preventDefault();
          handlers.go(place.to);
        }
      } else if (event.key === "g") awaitingPlace = Date.now();
      else if (event.key === "?") handlers.openSheet();
      else if (event.key === "/") {
        const field = document.querySelector<HTMLInputElement>("[data-page-search]");
        if (field) {
          event.preventDefault();
          field.focus();
        }
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [handlers]);
}
