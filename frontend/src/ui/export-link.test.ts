import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import type { Permission } from "../api/types";
import { WhoContext } from "../lib/permissions";
import { ExportLink } from "./export-link";

const link = (filters: object, total: number | null, permissions: Permission[] = ["contacts:export"]) =>
  renderToStaticMarkup(
    createElement(WhoContext, { value: { role: "operator", permissions } }, createElement(ExportLink, { path: "/api/v1/contacts/export.csv", filters, total, needs: "contacts:export" })),
  );

describe("an export", () => {
  it("asks for what the list shows, and says how many that are", () => {
    const html = link({ search: "Fatima & co", consent: "opted_in", topic: undefined, segment_id: "7" }, 108);
    expect(html).toContain('href="/api/v1/contacts/export.csv?search=Fatima+%26+co&amp;consent=opted_in&amp;segment_id=7"');
    expect(html).toContain("Export 108");
  });
  it("says when it is everybody", () => {
    expect(link({ search: undefined }, 6007)).toContain("Export all 6,007");
    expect(link({ search: undefined }, 6007)).toContain('href="/api/v1/contacts/export.csv"');
    expect(link({ status: ["failed", "queued"] }, null)).toContain("?status=failed&amp;status=queued");
  });
  it("is not offered to who may not", () => {
    expect(link({}, 3, ["contacts:read"])).toBe("");
  });
});
