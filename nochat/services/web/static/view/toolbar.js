/** What can be done with a message: one toolbar, which goes to the message under hand or focus. */

import { words } from "../words.js";
import { el, icon } from "./dom.js";
import { focusOn } from "./focus.js";

const QUICK = ["👍", "❤️"];
const PALETTE = ["👍", "👎", "❤️", "😄", "😂", "😮", "😢", "🎉", "🚀", "👀", "✅", "🙏", "🔥", "💯", "☕"];

export class Toolbar {
  #element = el("div", { className: "toolbar", role: "toolbar", "aria-live": "off" });
  #line = null;

  /** @param act functions to call with a message: `react` (and what with), `reply`, `link`, `edit`, `remove`. */
  constructor(act) {
    this.act = act;
    this.#element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Go to a message's line; `may` says what is allowed there. */
  goTo(line, entry, may) {
    if (this.#line === line && this.#element.isConnected) return;
    if (this.#isInUse) return;
    if (this.#element.contains(document.activeElement)) this.#line.focus({ preventScroll: true });
    this.#line = line;
    this.#element.setAttribute("aria-label", words.actions);
    this.#element.replaceChildren(...this.#buttons(entry, may));
    if (!this.#element.childElementCount) return this.leave();
    line.append(this.#element);
    // Under a message whose top is out of sight.
    const top = line.closest("#log").getBoundingClientRect().top;
    this.#element.classList.toggle("low", line.getBoundingClientRect().top < top);
  }

  /** Nothing can be done here any more; the focus does not get lost with it. */
  leave() {
    if (this.#element.contains(document.activeElement)) focusOn(this.#line);
    this.#element.remove();
    this.#line = null;
  }

  /** Pointer or focus went away: the toolbar goes too, unless somebody is still at work with it. */
  rest() {
    if (this.#line && !this.#isInUse && !this.#line.matches(":focus-visible, :hover")) this.leave();
  }

  /** By the keyboard, or with the palette open. A button that was clicked keeps the focus too. */
  get #isInUse() {
    if (!this.#element.contains(document.activeElement)) return false;
    return Boolean(this.#element.querySelector(".palette, :focus-visible"));
  }

  /** A message that was deleted meanwhile takes no reactions. */
  check() {
    if (this.#line?.classList.contains("deleted")) this.leave();
  }

  #buttons(entry, may) {
    const buttons = [];
    if (may.react) {
      buttons.push(...QUICK.map((emoji) => this.#emoji(emoji, entry)), this.#opener(entry));
    }
    if (may.reply) buttons.push(button("reply", () => this.act.reply(entry)));
    if (may.link) buttons.push(button("copyLink", () => this.act.link(entry), "link"));
    if (may.edit) buttons.push(button("edit", () => this.act.edit(entry)));
    if (may.remove) buttons.push(button("delete", () => this.act.remove(entry)));
    return buttons;
  }

  #opener(entry) {
    const opener = button("react", () => this.#toggle(entry));
    opener.setAttribute("aria-expanded", "false");
    opener.id = "palette-button";
    return opener;
  }

  #toggle(entry) {
    const opener = this.#element.querySelector("#palette-button");
    const open = this.#element.querySelector(".palette");
    open?.remove();
    opener.setAttribute("aria-expanded", !open);
    if (open) return opener.focus();
    const palette = el("div", { className: "palette", role: "group", "aria-label": words.reactions },
      ...PALETTE.map((emoji) => this.#emoji(emoji, entry)));
    this.#element.append(palette);
    const log = this.#line.closest("#log");
    const room = this.#element.getBoundingClientRect().top - log.getBoundingClientRect().top;
    palette.classList.toggle("below", room < palette.offsetHeight + 8);
    palette.firstElementChild.focus();
  }

  #emoji(emoji, entry) {
    const label = words.reactWith(emoji);
    const act = () => {
      if (this.#element.querySelector(".palette")) this.#toggle(entry);
      this.act.react(entry, emoji);
    };
    return el("button", { "aria-label": label, title: label, onclick: act }, emoji);
  }

  /** Left and right go through the buttons; Escape closes the palette, then gives the line back. */
  #key(event) {
    const palette = this.#element.querySelector(".palette");
    if (event.key === "Escape") {
      if (palette) this.#element.querySelector("#palette-button").click();
      else this.#line.focus();
    } else {
      const buttons = [...(palette ?? this.#element).querySelectorAll(":scope > button")];
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const at = buttons.indexOf(document.activeElement) + step;
      buttons.at(at % buttons.length).focus();
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

function button(name, act, sign = name) {
  return el("button", { "aria-label": words[name], title: words[name], onclick: act }, icon(sign));
}
