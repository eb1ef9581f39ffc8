/** Live updates into the query cache: newer versions patch what is there, unknown kinds make their family stale. */
import type { InfiniteData, QueryClient, QueryKey } from "@tanstack/react-query";
import type { Campaign, CampaignSummary, Counts, Dashboard, Import, Inbound, Page } from "../api/types";
import type { LiveUpdate } from "./stream";

interface Versioned {
  id: string;
  version: number;
}

/** The row with the patch applied, or the same row when the update is about another one or older than it. */
export function patched<T extends Versioned>(row: T, update: LiveUpdate): T {
  if (row.id !== update.id || update.version < row.version) return row;
  return { ...row, ...update.patch, id: row.id, version: update.version };
}

export function patchPages<T extends Versioned>(data: InfiniteData<Page<T>> | undefined, update: LiveUpdate): InfiniteData<Page<T>> | undefined {
  if (!data?.pages.some((page) => page.items.some((row) => row.id === update.id))) return data;
  return { ...data, pages: data.pages.map((page) => ({ ...page, items: page.items.map((row) => patched(row, update)) })) };
}

const holds = <T extends Versioned>(data: InfiniteData<Page<T>> | undefined, id: string): boolean =>
  data?.pages.some((page) => page.items.some((row) => row.id === id)) ?? false;

/** New inbound messages go on top of the first page, once. */
export function prependInbound(data: InfiniteData<Page<Inbound>> | undefined, item: Inbound): InfiniteData<Page<Inbound>> | undefined {
  const [first, ...rest] = data?.pages ?? [];
  if (!data || !first) return data;
  if (data.pages.some((page) => page.items.some((row) => row.id === item.id))) return data;
  return { ...data, pages: [{ ...first, items: [item, ...first.items] }, ...rest] };
}

export class LivePatcher {
  #cache: QueryClient;
  #due = new Map<string, ReturnType<typeof setTimeout>>();
  /** Counts have a sequence of their own, which no fetched row carries: the newest seen per campaign. */
  #counted = new Map<string, number>();

  constructor(cache: QueryClient) {
    this.#cache = cache;
  }

  apply = (update: LiveUpdate): void => {
    if (update.kind === "campaign") this.#campaign(update);
    else if (update.kind === "campaign_counts") this.#counts(update);
    else if (update.kind === "import") this.#import(update);
    else if (update.kind === "inbound") this.#inbound(update);
    else if (update.kind === "inbound_review") this.#soon(["inbound"], 300); // which filters it fits may have changed
    else if (update.kind === "contacts") this.#soon(["contacts", "list"], 1000);
    else if (update.kind === "dashboard") this.#soon(["dashboard"], 2000);
    else this.#soon([update.kind], 1000);
  };

  resync = (): void => {
    this.#counted.clear();
    void this.#cache.invalidateQueries();
  };

  #campaign(update: LiveUpdate): void {
    this.#row(update.id, (row) => patched(row, update));
    this.#soon(["campaigns", "list"], 1000); // a filter or the order may no longer fit
    this.#soon(["campaigns", "summary", update.id], 1000);
  }

  #counts(update: LiveUpdate): void {
    if (update.version <= (this.#counted.get(update.id) ?? -1)) return;
    this.#counted.set(update.id, update.version);
    const counts = update.patch.counts as Counts;
    this.#listed(update.id, (row) => (row.id === update.id ? { ...row, counts } : row));
    this.#soon(["campaigns", "summary", update.id], 1000); // a report is one answer: its chart and its figures are of one moment
    this.#soon(["campaigns", "recipients", update.id], 3000);
  }

  /** Changes one campaign wherever it is held. */
  #row(id: string, change: (row: Campaign) => Campaign): void {
    this.#listed(id, change);
    this.#cache.setQueryData<CampaignSummary>(["campaigns", "summary", id], (old) => old && { ...old, campaign: change(old.campaign) });
  }

  #listed(id: string, change: (row: Campaign) => Campaign): void {
    this.#answersOnTheirWay(id);
    this.#cache.setQueryData<Campaign>(["campaigns", "detail", id], (old) => old && change(old));
    this.#cache.setQueryData<Dashboard>(["dashboard"], (old) => old && { ...old, running: old.running.map(change), ended: old.ended?.map(change) });
    for (const [key, data] of this.#cache.getQueriesData<InfiniteData<Page<Campaign>>>({ queryKey: ["campaigns", "list"] })) {
      if (holds(data, id)) this.#cache.setQueryData(key, { ...data!, pages: data!.pages.map((page) => ({ ...page, items: page.items.map(change) })) });
      else this.#soon(key, 1000);
    }
  }

  /** An answer that left the server before this update would put the old figures back: such queries are asked again. */
  #answersOnTheirWay(id: string): void {
    for (const queryKey of [["campaigns", "detail", id], ["campaigns", "summary", id], ["campaigns", "list"], ["dashboard"]]) {
      for (const query of this.#cache.getQueryCache().findAll({ queryKey, fetchStatus: "fetching" })) this.#soon(query.queryKey, 1000);
    }
  }

  #import(update: LiveUpdate): void {
    this.#cache.setQueryData<Import>(["imports", "detail", update.id], (old) => old && patched(old, update));
    this.#lists<Import>(["imports", "list"], update);
    if (update.patch.status === "completed" || update.patch.status === "failed" || update.patch.status === "canceled") {
      for (const key of [["imports", "detail", update.id], ["imports", "rejects", update.id], ["contacts"], ["dashboard"]]) this.#soon(key, 300);
    }
  }

  #inbound(update: LiveUpdate): void {
    const item = { id: update.id, ...update.patch } as unknown as Inbound;
    for (const [key, data] of this.#cache.getQueriesData<InfiniteData<Page<Inbound>>>({ queryKey: ["inbound"] })) {
      const filters = (key[1] ?? {}) as { kind?: string; review?: string; search?: string };
      if (filters.search || filters.review) this.#soon(key, 1000);
      else if (!filters.kind || filters.kind === item.kind) this.#cache.setQueryData(key, prependInbound(data, item));
    }
  }

  #lists<T extends Versioned>(queryKey: QueryKey, update: LiveUpdate): void {
    for (const [key, data] of this.#cache.getQueriesData<InfiniteData<Page<T>>>({ queryKey })) {
      if (holds(data, update.id)) this.#cache.setQueryData(key, patchPages(data, update));
      else this.#soon(key, 1000);
    }
  }

  /** Marks a family stale at most once per `ms`, however many updates arrive. */
  #soon(queryKey: QueryKey, ms: number): void {
    const name = JSON.stringify(queryKey);
    if (this.#due.has(name)) return;
    this.#due.set(
      name,
      setTimeout(() => {
        this.#due.delete(name);
        void this.#cache.invalidateQueries({ queryKey });
      }, ms),
    );
  }
}
