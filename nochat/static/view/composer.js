/** Where a message is written, or written anew: Enter sends it, Shift+Enter starts a new line. */

import { nameBegun } from "../text.js";
import { words } from "../words.js";
import { $, composes, say } from "./dom.js";
import { Listbox } from "./listbox.js";

const MOST = 4000; // characters, as the chat counts them
const TYPING_EVERY = 3000; // milliseconds

export class Composer {
  #form = $("composer");
  #text = $("text");
  #told = 0; // when the others were last told of our typing
  #drafts = new Map();
  #room = "";
  #edited = null; // the message that is written anew
  #names = []; // who can be mentioned here

  /** @param act functions to call: `send` a text, `change` a message's, `typing`, `editLast`. */
  constructor(act) {
    this.act = act;
    this.list = new Listbox(this.#text, () => words.mentionWhom, (name) => this.#mention(name));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    this.#text.addEventListener("input", () => this.#changed());
    $("stop-editing").addEventListener("click", () => this.#stop());
  }

  render(model) {
    const room = model.room?.member ? model.current : "";
    const muted = Boolean(room) && !model.room.mayWrite(model.user);
    this.#form.hidden = !room;
    this.#names = [...(model.room?.members ?? [])].filter((name) => name !== model.user).sort();
    this.#text.disabled = $("send").disabled = muted;
    const hint = muted ? words.mutedHere : words.writeHere;
    if (this.#text.placeholder !== hint) this.#text.placeholder = hint;
    if (room === this.#room) return;
    if (this.#edited) this.#stop();
    this.#drafts.set(this.#room, this.#text.value);
    this.#text.value = this.#drafts.get(room) ?? "";
    this.#room = room;
    this.list.show([]);
    this.#measure();
    this.focus();
  }

  /** Forget the drafts: their writer left. */
  clear() {
    if (this.#edited) this.#stop();
    this.#drafts.clear();
    this.#text.value = "";
  }

  /** Ready to write; but a touch screen's keyboard would hide what is to be read first. */
  focus() {
    if (matchMedia("(hover: hover)").matches) this.#text.focus({ preventScroll: true });
  }

  /** Let a message be written anew. */
  edit(message) {
    if (!this.#edited) this.#drafts.set(this.#room, this.#text.value);
    this.#edited = message;
    this.#show(message.text);
  }

  #stop() {
    this.#edited = null;
    this.#show(this.#drafts.get(this.#room) ?? "");
  }

  #show(text) {
    $("editing").hidden = !this.#edited;
    say($("send"), this.#edited ? words.save : words.send);
    this.#text.value = text;
    this.#measure();
    this.#text.focus({ preventScroll: true });
    this.#text.setSelectionRange(text.length, text.length);
  }

  async #submit() {
    const text = this.#text.value.trim();
    if (!text || [...text].length > MOST) return;
    if (this.#edited) return this.#save(text);
    this.#text.value = "";
    this.#told = 0;
    this.#measure();
    this.act.send(text);
  }

  async #save(text) {
    const message = this.#edited;
    if (text !== message.text && !(await this.act.change(message, text))) return; // still here
    if (this.#edited === message) this.#stop();
  }

  #key(event) {
    if (composes(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#form.requestSubmit();
    } else if (event.key === "Escape" && this.#edited) {
      event.stopPropagation();
      this.#stop();
    } else if (event.key === "ArrowUp" && !this.#text.value && !this.#edited) {
      event.preventDefault();
      this.act.editLast();
    }
  }

  #changed() {
    this.#measure();
    this.#suggest();
    const now = Date.now();
    if (this.#edited || !this.#text.value.trim() || now - this.#told < TYPING_EVERY) return;
    this.#told = now;
    this.act.typing();
  }

  get #before() {
    return this.#text.value.slice(0, this.#text.selectionStart);
  }

  #suggest() {
    const begun = nameBegun(this.#before)?.toLowerCase();
    const matches = (name) => name.toLowerCase().startsWith(begun);
    this.list.show(begun === undefined ? [] : this.#names.filter(matches));
  }

  #mention(name) {
    const start = this.#text.selectionStart - nameBegun(this.#before).length;
    this.#text.setRangeText(`${name} `, start, this.#text.selectionStart, "end");
    this.#measure();
  }

  /** Grow with the text, up to the style sheet's limit; say when it is too long. */
  #measure() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
    const length = [...this.#text.value.trim()].length;
    say($("too-long"), length > MOST ? words.tooLong(length, MOST) : "");
  }
}
