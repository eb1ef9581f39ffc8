/** What stands for a wrong field: the input itself, or the button or option of one that is no input. */
const INVALID = "input[aria-invalid=true],textarea[aria-invalid=true],[data-invalid] > button,[role=radiogroup][data-invalid] input";

/** Moves the focus to the first field that is marked as wrong, in the dialog if one is open; once it has been drawn. */
export function focusInvalid(): void {
  requestAnimationFrame(() => {
    const within = [...document.querySelectorAll("[role=dialog],[role=alertdialog]")].at(-1) ?? document.getElementById("main");
    within?.querySelector<HTMLElement>(INVALID)?.focus();
  });
}
