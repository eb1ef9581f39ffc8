import { useEffect, useRef, type ComponentPropsWithoutRef, type KeyboardEvent, type RefObject } from "react";
import { appearance } from "../lib/appearance";
import { nextIndex } from "../lib/arrow-keys";

const FOCUSABLE = "a[href],button,summary,input,select,textarea,[tabindex]";
const isTyped = (target: EventTarget): boolean => target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);

/** What can be focused in an item: itself first, if it can. */
function stopsOf(item: HTMLElement): HTMLElement[] {
  const inside = [...item.querySelectorAll<HTMLElement>(FOCUSABLE)].filter((element) => !element.matches(":disabled,[type=hidden]"));
  return item.hasAttribute("tabindex") ? [item, ...inside] : inside;
}

interface Options {
  /** Finds the items in the list. */
  item: string;
  /** Home and End of a list of which only a part is in the document. */
  onEdge?: (edge: "first" | "last") => void;
}

/** Makes a list one tab stop: up and down go from item to item, left and right through what one holds. */
export function useArrowKeys(list: RefObject<HTMLElement | null>, { item, onEdge }: Options) {
  const current = useRef<HTMLElement | null>(null);
  const items = (): HTMLElement[] => [...(list.current?.querySelectorAll<HTMLElement>(item) ?? [])].filter((one) => stopsOf(one).length > 0);
  const arrange = () => {
    const all = items();
    const stays = current.current !== null && all.some((one) => one.contains(current.current)) ? current.current : null;
    const stop = stays ?? (all.find((one) => one.hasAttribute("tabindex")) ?? all[0]);
    const target = stop && (stays ?? stopsOf(stop)[0]);
    for (const one of all) for (const element of stopsOf(one)) if (element.tabIndex !== (element === target ? 0 : -1)) element.tabIndex = element === target ? 0 : -1;
  };
  useEffect(() => {
    if (!list.current) return;
    arrange();
    const observer = new MutationObserver(arrange);
    observer.observe(list.current, { childList: true, subtree: true });
    return () => observer.disconnect();
  });
  const onFocus = ({ target }: { target: EventTarget }) => {
    if (!(target instanceof HTMLElement) || target === current.current) return;
    current.current = target;
    arrange();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyped(event.target)) return;
    const all = items();
    const at = all.findIndex((one) => one.contains(event.target as Node));
    const here = all[at];
    if (!here) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const stops = stopsOf(here);
      const next = stops[stops.indexOf(event.target as HTMLElement) + (event.key === "ArrowRight" ? 1 : -1)];
      if (next) next.focus();
      event.preventDefault();
      return;
    }
    const to = nextIndex(event.key, at, all.length, appearance().shortcuts);
    if (to === null) return;
    event.preventDefault();
    event.stopPropagation();
    if (onEdge && (event.key === "Home" || event.key === "End")) onEdge(event.key === "Home" ? "first" : "last");
    else stopsOf(all[to]!)[0]!.focus();
  };
  return { onFocus, onKeyDown };
}

/** A list of things to open and press, reached with one Tab. */
export function ArrowList({ children, ...rest }: ComponentPropsWithoutRef<"ul">) {
  const list = useRef<HTMLUListElement>(null);
  return (
    <ul ref={list} {...useArrowKeys(list, { item: ":scope > li" })} {...rest}>
      {children}
    </ul>
  );
}

/** The same where the order tells something. */
export function OrderedArrowList({ children, ...rest }: ComponentPropsWithoutRef<"ol">) {
  const list = useRef<HTMLOListElement>(null);
  return (
    <ol ref={list} {...useArrowKeys(list, { item: ":scope > li" })} {...rest}>
      {children}
    </ol>
  );
}
