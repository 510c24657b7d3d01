/** The dialog in which a person is chosen: to be invited, or to be written to. */

import { words } from "../words.js";
import { FormDialog } from "./dialogs.js";
import { $, say } from "./dom.js";
import { Listbox } from "./listbox.js";

const PAUSE = 150; // milliseconds without a key before names are asked for

export class Whom {
  #field = $("person");
  #dialog;
  #then;
  #pause;

  /** @param find gives, later, the names that begin so. */
  constructor(find) {
    this.find = find;
    this.#dialog = new FormDialog("person-dialog", "person-error", ({ user }) => {
      clearTimeout(this.#pause);
      this.#pause = 0; // what becomes of this name is said now, not that of a suggestion
      if (!user.value.trim()) throw new Error(words.nobody);
      return this.#then(user.value.trim());
    });
    this.list = new Listbox(this.#field, () => words.people, (name) => (this.#field.value = name));
    this.#field.addEventListener("input", () => {
      clearTimeout(this.#pause);
      this.#pause = setTimeout(() => this.#suggest(), PAUSE);
    });
  }

  /** Ask for a person; `then` is called with the name, and what it throws is shown. */
  ask(title, act, then) {
    say($("person-dialog-title"), title);
    say($("person-act"), act);
    this.#then = then;
    this.#dialog.open();
  }

  async #suggest() {
    const begun = this.#field.value.trim();
    const pause = this.#pause;
    const names = begun ? await this.find(begun).catch(() => []) : [];
    const outdated = pause !== this.#pause || this.#field.value.trim() !== begun;
    if (outdated || document.activeElement !== this.#field) return;
    this.list.show(names);
    say($("person-error"), begun && !names.length ? words.nobody : "");
  }
}
