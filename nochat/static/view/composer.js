/** Where a message is written: Enter sends it, Shift+Enter starts a new line. */

import { words } from "../words.js";
import { $, say } from "./dom.js";

const MOST = 4000; // characters, as the chat counts them
const TYPING_EVERY = 3000; // milliseconds

export class Composer {
  #form = $("composer");
  #text = $("text");
  #told = 0; // when the others were last told of our typing
  #drafts = new Map();
  #room = "";

  /** @param act functions to call: `send` with a text, `typing`. */
  constructor(act) {
    this.act = act;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#text.addEventListener("input", () => this.#changed());
  }

  render(model) {
    const room = model.room?.member ? model.current : "";
    this.#form.hidden = !room;
    if (room === this.#room) return;
    this.#drafts.set(this.#room, this.#text.value);
    this.#text.value = this.#drafts.get(room) ?? "";
    this.#room = room;
    this.#measure();
    this.focus();
  }

  /** Ready to write; but a touch screen's keyboard would hide what is to be read first. */
  focus() {
    if (matchMedia("(hover: hover)").matches) this.#text.focus({ preventScroll: true });
  }

  #send() {
    const text = this.#text.value.trim();
    if (!text || [...text].length > MOST) return;
    this.#text.value = "";
    this.#told = 0;
    this.#measure();
    this.act.send(text);
  }

  #changed() {
    this.#measure();
    const now = Date.now();
    if (!this.#text.value.trim() || now - this.#told < TYPING_EVERY) return;
    this.#told = now;
    this.act.typing();
  }

  /** Grow with the text, up to the style sheet's limit; say when it is too long. */
  #measure() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
    const length = [...this.#text.value.trim()].length;
    say($("too-long"), length > MOST ? words.tooLong(length, MOST) : "");
  }
}
