import type { Contact } from "../../api/types";
import { folded, personName } from "../../lib/format";
import type { Option } from "../../ui/select";

const number = /^\+?[\d ().-]{7,20}$/;

export interface Person extends Option {
  phone: string;
}

const digits = (text: string): string => text.replaceAll(/\D/g, "");

/** Those whose name or number holds what was typed, by name and number; a number typed in full that is nobody's may write, too. */
export function peopleOf(people: Contact[], typed: string): Person[] {
  const text = folded(typed.trim());
  const fits = (contact: Contact) => folded(contact.attributes.name ?? "").includes(text) || (digits(text) !== "" && digits(contact.phone).includes(digits(text)));
  const known = people.filter((contact) => text === "" || fits(contact)).map((contact): Person => {
    const label = personName({ phone: contact.phone, name: contact.attributes.name });
    return { id: label, label, phone: contact.phone };
  });
  const stranger = number.test(typed.trim()) && !known.some((person) => digits(person.phone) === digits(typed));
  const all = stranger ? [{ id: typed.trim(), label: typed.trim(), hint: "This number", phone: typed.trim() }, ...known] : known;
  return all.filter((person, at) => all.findIndex((other) => other.id === person.id) === at);
}

/** Whose message it is: the person who was picked, as long as the field still says so, or the number that stands there. */
export const writer = (typed: string, picked: Person | null): string => (picked?.label === typed ? picked.phone : number.test(typed.trim()) ? typed.trim() : "");
