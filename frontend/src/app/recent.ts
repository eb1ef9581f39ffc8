import { read, write } from "../lib/storage";

/** The last detail pages seen, newest first; the title is read when the palette opens. */
interface Visit {
  path: string;
  title: string;
}
const KEPT = 6;

export const recent = (): Visit[] => read<Visit[]>("recent", []);

/** Notes a page once its title has settled. */
export function remember(path: string): void {
  if (path.split("/").length < 3) return;
  setTimeout(() => {
    if (location.pathname !== path) return;
    const title = document.title.replace(/ · Event Stream Engine$/, "");
    write("recent", [{ path, title }, ...recent().filter((visit) => visit.path !== path)].slice(0, KEPT));
  }, 1500);
}
