import { describe, expect, it } from "vitest";
import { runs } from "./whatsapp";

const shown = (text: string) => runs(text).map((run) => [run.style, run.text]);

describe("a WhatsApp message", () => {
  it("shows marked words as type", () => {
    expect(shown("Hi *Ana*, _today_ ~only~ ```now```")).toEqual([
      [null, "Hi "], ["bold", "Ana"], [null, ", "], ["italic", "today"], [null, " "], ["struck", "only"], [null, " "], ["fixed", "now"],
    ]);
    expect(runs("*_both_*")[0]!.inner).toEqual([{ text: "both", style: "italic", inner: [{ text: "both", style: null, inner: [] }] }]);
  });
  it("leaves what is no mark as it stands", () => {
    for (const text of ["2*3*4", "snake_case_name", "* a list *", "5 * 3", "*open", "*two\nlines*"]) expect(shown(text)).toEqual([[null, text]]);
  });
});
