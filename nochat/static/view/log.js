/** The open room's messages. */

import { linesOf, pieces } from "../lines.js";
import { words } from "../words.js";
import { $, el, say, sync } from "./dom.js";

const NEAR = 80; // pixels from an end that count as being there
const HUES = 8;

export class Log {
  #log = $("log");
  #lines = $("lines");
  #room;
  #first; // the position that the log began with when it was last shown
  #loading = false;
  #ended = true; // whether the newest line is in sight

  /** @param act functions to call: `earlier`, `retry` and `discard` with a client id. */
  constructor(act) {
    this.act = act;
    $("earlier").addEventListener("click", () => this.#earlier());
    $("newest").addEventListener("click", () => this.#toEnd());
    this.#log.addEventListener("scroll", () => {
      if (this.#log.scrollTop < NEAR && !$("earlier").hidden) this.#earlier();
      this.#ended = this.#atEnd();
      if (this.#ended) $("newest").hidden = true;
    });
    // A phone's keyboard takes half of the height: what was in sight stays so.
    new ResizeObserver(() => this.#ended && this.#toEnd()).observe(this.#log);
  }

  render(model) {
    const room = model.room?.member ? model.room : undefined;
    const fresh = this.#room !== room;
    const older = room && room.log.first !== this.#first;
    const atEnd = fresh || this.#ended;
    const toEnd = this.#log.scrollHeight - this.#log.scrollTop;
    const last = this.#lines.lastElementChild;

    // What is loaded on request is not news to announce.
    this.#log.setAttribute("aria-busy", fresh || older);
    if (fresh) this.#lines.replaceChildren();
    sync(this.#lines, room ? linesOf(room) : [], make, (line, item) => this.#update(line, item, model.user));
    $("earlier").hidden = !room || room.log.complete;
    $("empty").hidden = Boolean(room && this.#lines.children.length);
    say($("empty"), room ? words.empty : words.noRoom);

    const mine = this.#lines.lastElementChild?.classList.contains("mine");
    const news = this.#lines.lastElementChild !== last;
    if (atEnd || (news && mine)) this.#toEnd();
    else if (older) this.#log.scrollTop = this.#log.scrollHeight - toEnd;
    else if (news) $("newest").hidden = false;
    this.#room = room;
    this.#first = room?.log.first;
  }

  #update(line, item, user) {
    if (item.kind !== "message") return;
    const mine = item.sender === user;
    line.classList.toggle("mine", mine);
    line.classList.toggle("follows", item.follows);
    for (const mark of line.querySelectorAll("mark")) {
      const me = mark.dataset.user.toLowerCase() === user.toLowerCase();
      mark.classList.toggle("me", me);
      if (me && !mine) line.classList.add("mentions-me");
    }
    if (line.dataset.state === item.state || !mine) return;
    line.dataset.state = item.state;
    line.querySelector(".state").replaceChildren(...this.#state(item));
  }

  #state({ state, reason, client_id }) {
    if (state === "sending") return [words.sending];
    if (state === "sent") return [el("span", { title: words.sent, role: "img", "aria-label": words.sent }, "✓")];
    const retry = el("button", { onclick: () => this.act.retry(client_id) }, words.retry);
    const discard = el("button", { className: "quiet", onclick: () => this.act.discard(client_id) }, words.discard);
    return [el("span", {}, words.notSent(reason)), retry, discard];
  }

  async #earlier() {
    if (this.#loading) return;
    this.#loading = true;
    await this.act.earlier().finally(() => (this.#loading = false));
  }

  #atEnd() {
    return this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR;
  }

  #toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#ended = true;
    $("newest").hidden = true;
  }
}

function make(item) {
  if (item.kind === "day") return el("li", { className: "day" }, words.day(item.date));
  if (item.kind === "note") return note(item);
  const text = el("p", { className: "text" });
  for (const piece of pieces(item.text)) {
    text.append(piece.user ? el("mark", { "data-user": piece.user }, piece.text) : piece.text);
  }
  const head = el("p", { className: "head" }, el("strong", {}, item.sender), " ", time(item.date));
  return el("li", { className: "message" }, avatar(item.sender), head, text, el("p", { className: "state" }));
}

function note({ type, user, date }) {
  const text = words[type.replace("room.", "")](user);
  return el("li", { className: "note" }, `${text} `, time(date));
}

function time(date) {
  return el("time", { dateTime: date.toISOString() }, words.time(date));
}

/** A user's first letter, in a colour that is always theirs. */
export function avatar(user) {
  const hue = [...user].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % HUES;
  return el("span", { className: `avatar hue-${hue}`, "aria-hidden": "true" }, [...user][0].toUpperCase());
}
