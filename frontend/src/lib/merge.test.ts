import { describe, expect, it } from "vitest";
import { fieldChanges, merged, wordDiff } from "./merge";

const plain = (draft: { name: string; body: string; rows: { key: number; text: string }[] }) => ({ ...draft, rows: draft.rows.map((row) => row.text) });
const base = { name: "Spring", body: "Hello", rows: [{ key: 1, text: "a" }] };
const mine = { name: "Spring sale", body: "Hello you", rows: [{ key: 7, text: "a" }] };
const theirs = { name: "Spring", body: "Good day", rows: [{ key: 3, text: "b" }] };

describe("two people who change one thing", () => {
  it("are each told what they changed; what only the form knows is no change", () => {
    expect(fieldChanges(base, mine, theirs, plain)).toEqual([{ name: "name", by: "you" }, { name: "body", by: "both" }, { name: "rows", by: "them" }]);
  });
  it("keep what the other changed elsewhere", () => {
    expect(merged(base, mine, theirs, plain)).toEqual({ name: "Spring sale", body: "Hello you", rows: [{ key: 3, text: "b" }] });
  });
  it("see the words that differ", () => {
    expect(wordDiff("Hello you", "Hello  you there")).toEqual([
      { text: "Hello", in: "both" }, { text: " ", in: "first" }, { text: "  ", in: "second" }, { text: "you", in: "both" }, { text: " there", in: "second" },
    ]);
    expect(wordDiff("", "")).toEqual([]);
    expect(wordDiff("x ".repeat(600), "y").map((piece) => piece.in)).toEqual(["first", "second"]);
  });
});
