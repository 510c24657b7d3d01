/** Dialogs: the browser keeps the focus in them, closes them by Escape and gives the focus back. */

import { $, say } from "./dom.js";
import { focusOn } from "./focus.js";

/**
 * Make a dialog's `data-close` buttons and the shade around it close it. What was typed in it,
 * passwords too, does not outlive that.
 */
export function wireDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    let pressed;
    dialog.addEventListener("pointerdown", ({ target }) => (pressed = target));
    dialog.addEventListener("click", ({ target }) => {
      // Who selects a text, and lets go outside, did not press the shade.
      const shade = target === dialog && pressed === dialog;
      if (shade || target.closest("[data-close]")) dialog.close();
    });
    dialog.addEventListener("close", () => {
      for (const form of dialog.querySelectorAll("form")) form.reset();
    });
  }
}

/** Close whatever is open: its user is gone. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

/** Ask before something that others see, or that can't be taken back (`grave`); tells whether to do it. */
export function confirmed({ title, hint, act, grave = true }) {
  const dialog = $("confirm-dialog");
  say($("confirm-title"), title);
  say($("confirm-hint"), hint);
  say($("confirm-yes"), act);
  $("confirm-yes").className = grave ? "danger" : "primary";
  if (dialog.open) dialog.close();
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/**
 * A dialog with a form of one field that matters: what is refused is said at it.
 *
 * @param submit called with the form; what it throws is shown, otherwise the dialog closes.
 */
export class FormDialog {
  constructor(id, error, submit) {
    this.dialog = $(id);
    this.form = this.dialog.querySelector("form");
    this.#error = $(error);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(submit);
    });
  }

  #error;
  #turn = 0;

  open() {
    this.#turn += 1;
    this.form.reset();
    say(this.#error, "");
    this.dialog.showModal();
    this.#field.focus();
  }

  get #field() {
    return this.form.querySelector(`[aria-describedby="${this.#error.id}"]`);
  }

  async #submit(submit) {
    const button = this.form.querySelector("button:not([type])");
    const turn = this.#turn;
    button.disabled = true;
    try {
      await submit(this.form);
      if (turn === this.#turn) this.dialog.close();
    } catch (error) {
      if (turn !== this.#turn) return; // it was closed, and may be open for something else
      say(this.#error, error.message);
      focusOn(this.#field);
    } finally {
      button.disabled = false;
    }
  }
}
