/** Where a message is written, or written anew: Enter sends it, Shift+Enter starts a new line. */

import * as drafts from "../drafts.js";
import { isDeleted } from "../erased.js";
import { nameBegun, searchable } from "../text.js";
import { words } from "../words.js";
import { $, composes, say } from "./dom.js";
import { focusOn } from "./focus.js";
import { Listbox } from "./listbox.js";
import { told } from "./quote.js";

const MOST = 4000; // characters, as the chat counts them
const TYPING_EVERY = 3000; // milliseconds

export class Composer {
  #form = $("composer");
  #text = $("text");
  #told = -TYPING_EVERY; // when the others were last told of our typing
  #user = "";
  #room = "";
  #replyTo = 0; // the position of the message that is answered
  #edited = null; // the message that is written anew
  #toEdit = ""; // the client id of one of ours that is edited as soon as it has its place
  #names = []; // who can be mentioned here

  /**
   * @param act functions to call: `send` a text and what it answers, `change` a message's text,
   *   `typing`, `lastOwn` for the last message of one's own, `changed` when something else is to be
   *   shown, `original` with the position of an answered message that is not here.
   */
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
    $("stop-replying").addEventListener("click", () => this.#answer(0));
  }

  render(model) {
    const room = model.room?.member ? model.current : "";
    const muted = Boolean(room) && !model.room.mayWrite(model.user);
    this.#form.hidden = !room;
    this.#names = [...(model.room?.members ?? [])].filter((name) => name !== model.user && !isDeleted(name)).sort();
    this.#text.disabled = $("send").disabled = muted;
    const why = model.room?.isOver ? words.deletedHere : words.mutedHere;
    const hint = muted ? why : words.writeHere;
    if (this.#text.placeholder !== hint) this.#text.placeholder = hint;
    if (room !== this.#room || model.user !== this.#user) this.#enter(model.user, room);
    this.#showAnswered(model.room);
    if (this.#toEdit) this.#editWhenPlaced(model.lastOwn);
  }

  #editWhenPlaced(message) {
    if (message?.client_id === this.#toEdit && message.position) this.edit(message);
  }

  /** Another room, or another user: each has a draft of its own. */
  #enter(user, room) {
    if (this.#edited) this.#stop();
    this.#user = user;
    this.#room = room;
    this.#toEdit = "";
    this.#restore();
    this.list.show([]);
    this.#measure();
    this.focus();
  }

  /** Show nothing of what its writer wrote: they left. */
  clear() {
    if (this.#edited) this.#stop();
    this.#user = this.#room = "";
    this.#restore();
  }

  /** Answer a message. */
  reply({ position }) {
    if (this.#edited) this.#stop();
    this.#answer(position);
  }

  #answer(position) {
    this.#replyTo = position;
    this.#keep();
    this.act.changed();
    this.#text.focus({ preventScroll: true });
  }

  /** What is answered as it is now: it may be deleted while its answer is written. */
  #showAnswered(room) {
    const position = this.#edited ? 0 : this.#replyTo;
    $("replying").hidden = !position;
    const original = position ? room?.original(position) : null;
    if (original === undefined) this.act.original(position);
    const [sender, excerpt] = told(original);
    say($("replying-to"), sender);
    say($("replying-excerpt"), excerpt);
  }

  #keep() {
    if (!this.#edited) drafts.keep(this.#user, this.#room, { text: this.#text.value, reply_to: this.#replyTo });
  }

  #restore() {
    const { text, reply_to } = drafts.kept(this.#user, this.#room);
    this.#text.value = text;
    this.#replyTo = reply_to;
    return text;
  }

  /** Ready to write; but a touch screen's keyboard would hide what is to be read first. */
  focus() {
    if (matchMedia("(hover: hover)").matches) focusOn(this.#text, { preventScroll: true });
  }

  /** Let a message be written anew. */
  edit(message) {
    this.#keep();
    this.#toEdit = "";
    this.#edited = message;
    this.#show(message.text);
  }

  #stop() {
    this.#edited = null;
    this.#show(this.#restore());
  }

  #show(text) {
    $("editing").hidden = !this.#edited;
    say($("send"), this.#edited ? words.save : words.send);
    this.#text.value = text;
    this.#measure();
    this.#text.focus({ preventScroll: true });
    this.#text.setSelectionRange(text.length, text.length);
    this.act.changed();
  }

  async #submit() {
    const text = this.#text.value.trim();
    if (!text || [...text].length > MOST) return;
    if (this.#edited) return this.#save(text);
    const reply_to = this.#replyTo;
    this.#toEdit = "";
    this.#text.value = "";
    this.#replyTo = 0;
    this.#told = -TYPING_EVERY;
    this.#keep();
    this.#measure();
    this.act.send(text, reply_to);
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
    } else if (event.key === "Escape" && (this.#edited || this.#replyTo)) {
      event.stopPropagation();
      if (this.#edited) this.#stop();
      else this.#answer(0);
    } else if (event.key === "ArrowUp" && !this.#text.value && !this.#edited) {
      event.preventDefault();
      this.#editLast();
    }
  }

  #editLast() {
    const message = this.act.lastOwn();
    this.#toEdit = message?.client_id ?? "";
    this.#editWhenPlaced(message);
  }

  #changed() {
    this.#toEdit = "";
    this.#keep();
    this.#measure();
    this.#suggest();
    const now = performance.now();
    if (this.#edited || !this.#text.value.trim() || now - this.#told < TYPING_EVERY) return;
    this.#told = now;
    this.act.typing();
  }

  get #before() {
    return this.#text.value.slice(0, this.#text.selectionStart);
  }

  #suggest() {
    const begun = nameBegun(this.#before);
    const matches = (name) => searchable(name).startsWith(searchable(begun));
    this.list.show(begun === undefined ? [] : this.#names.filter(matches));
  }

  #mention(name) {
    const start = this.#text.selectionStart - nameBegun(this.#before).length;
    this.#text.setRangeText(`${name} `, start, this.#text.selectionStart, "end");
    this.#keep();
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
