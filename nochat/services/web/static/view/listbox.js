/** Suggestions under or over a field: arrows choose, Enter or Tab takes, Escape closes. */

import { words } from "../words.js";
import { avatar, composes, el } from "./dom.js";
import { afterPress } from "./press.js";

const MOST = 8;

export class Listbox {
  #field;
  #list;
  #status = el("span", { className: "unseen", role: "status" });
  #names = [];
  #at = 0;

  /**
   * @param field where people write; a combobox, or a text area, which may not be called one.
   * @param label what the suggestions are.
   * @param pick called with the name that is taken.
   */
  constructor(field, label, pick) {
    this.#field = field;
    this.pick = pick;
    this.label = label;
    this.#list = el("ul", { className: "listbox", id: `${field.id}-list`, role: "listbox", hidden: true });
    field.after(this.#list, this.#status);
    // Before the field's own keys: Enter takes a suggestion, and sends no message.
    field.addEventListener("keydown", (event) => this.#key(event), { capture: true });
    // Not under the press that took the focus: where the list had been, other things move to.
    field.addEventListener("blur", () => afterPress(() => this.show([])));
    // The field keeps the focus.
    this.#list.addEventListener("mousedown", (event) => event.preventDefault());
  }

  get open() {
    return this.#names.length > 0;
  }

  show(names) {
    this.#names = names.slice(0, MOST);
    this.#at = 0;
    this.#list.hidden = !this.open;
    this.#list.setAttribute("aria-label", this.label());
    this.#list.replaceChildren(...this.#names.map((name, index) => this.#option(name, index)));
    if (this.#field.role === "combobox") this.#field.setAttribute("aria-expanded", this.open);
    if (this.open) this.#field.setAttribute("aria-controls", this.#list.id);
    else this.#field.removeAttribute("aria-controls");
    this.#status.textContent = this.open ? words.suggestions(this.#names.length) : "";
    this.#choose(0);
  }

  #option(name, index) {
    const option = { id: `${this.#list.id}-${index}`, role: "option", onclick: () => this.#take(index) };
    return el("li", option, avatar(name, "small"), name);
  }

  #choose(index) {
    this.#at = index;
    [...this.#list.children].forEach((option, each) => option.setAttribute("aria-selected", each === index));
    const option = this.#list.children[index];
    if (option) this.#field.setAttribute("aria-activedescendant", option.id);
    else this.#field.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  }

  #take(index) {
    const name = this.#names[index];
    this.show([]);
    this.pick(name);
  }

  #key(event) {
    if (!this.open || composes(event) || event.shiftKey) return;
    const count = this.#names.length;
    const acts = {
      __proto__: null,
      ArrowDown: () => this.#choose((this.#at + 1) % count),
      ArrowUp: () => this.#choose((this.#at - 1 + count) % count),
      Enter: () => this.#take(this.#at),
      Tab: () => this.#take(this.#at),
      Escape: () => this.show([]),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    acts[event.key]();
  }
}
