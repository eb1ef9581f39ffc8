import { useSyncExternalStore } from "react";
import { read, write } from "./storage";

export type Theme = "system" | "light" | "dark";
export type Glass = "auto" | "on" | "off";
export interface Appearance {
  theme: Theme;
  glass: Glass;
  shortcuts: boolean;
}

const initial: Appearance = { theme: "system", glass: "auto", shortcuts: true };
let current: Appearance = { ...initial, ...read<Partial<Appearance>>("appearance", {}) };
const listeners = new Set<() => void>();
const systemDark = matchMedia("(prefers-color-scheme: dark)");

function apply(): void {
  const theme = current.theme === "system" ? (systemDark.matches ? "dark" : "light") : current.theme;
  document.documentElement.dataset.theme = theme;
  document.documentElement.dataset.glass = current.glass;
  for (const listener of listeners) listener();
}
systemDark.addEventListener("change", apply);

export function setAppearance(change: Partial<Appearance>): void {
  current = { ...current, ...change };
  write("appearance", current);
  apply();
}

export const appearance = (): Appearance => current;

function subscribe(notify: () => void): () => void {
  listeners.add(notify);
  return () => listeners.delete(notify);
}

export const useAppearance = (): Appearance => useSyncExternalStore(subscribe, () => current);
/** The theme on screen now ("system" resolved). */
export const useTheme = (): string => useSyncExternalStore(subscribe, () => document.documentElement.dataset.theme ?? "light");
