import { describe, expect, it } from "vitest";
import type { Contact } from "../../api/types";
import { peopleOf, writer } from "./writer";

const person = (name: string, phone: string) => ({ attributes: { name }, phone }) as unknown as Contact;
const people = [person("Ana", "+351912345678"), person("Bruno", "+351913456789")];

describe("who plays a message", () => {
  it("is the number that was typed, not the person of before", () => {
    const [first, ...others] = peopleOf(people, "+1 415 555 0177");
    expect(first).toMatchObject({ label: "+1 415 555 0177", phone: "+1 415 555 0177" });
    expect(others).toEqual([]);
    const ana = peopleOf(people, "ana")[0]!;
    expect(writer(ana.label, ana)).toBe("+351912345678");
    expect(writer("+1 415 555 0177", ana)).toBe("+1 415 555 0177");
    expect(writer("Somebody", ana)).toBe("");
  });
  it("is the contact whose number was typed in full", () => {
    expect(peopleOf(people, "+351 913 456 789")).toEqual([expect.objectContaining({ label: "Bruno, +351913456789", phone: "+351913456789" })]);
  });
  it("is anybody while nothing is typed", () => {
    expect(peopleOf(people, "").map((one) => one.phone)).toEqual(people.map((one) => one.phone));
  });
});
