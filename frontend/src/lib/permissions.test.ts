import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { useLacks, WhoContext } from "./permissions";

function Said() {
  return useLacks("contacts:write") ?? "allowed";
}
const said = (who: { role: "viewer" | "operator"; permissions: ("contacts:write" | "contacts:read")[] } | null) => renderToStaticMarkup(createElement(WhoContext, { value: who }, createElement(Said)));

describe("what a person may not do", () => {
  it("is told in words, with their role and who can change it", () => {
    expect(said({ role: "viewer", permissions: ["contacts:read"] })).toBe("Your role (viewer) may not add, change or import contacts. An admin can change your role.");
  });
  it("is nothing they have", () => {
    expect(said({ role: "operator", permissions: ["contacts:write"] })).toBe("allowed");
  });
  it("is not guessed before it is known who they are", () => {
    expect(said(null)).toBe("allowed");
  });
});
