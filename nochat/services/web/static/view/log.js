/** The open room's messages: a part of them in the document, and what the reader was at in sight. */

import { Excerpt } from "../excerpt.js";
import { linesOf, messageKey } from "../lines.js";
import { nameOf, words } from "../words.js";
import { $, composes, say, sync } from "./dom.js";
import { focusOn } from "./focus.js";
import { Lines } from "./line.js";
import { Toolbar } from "./toolbar.js";

const NEAR = 80; // pixels from an end that count as being there
const STOPS = ".message, .note summary"; // where arrows go: the log is one stop of Tab
const SHOWN = 4000; // milliseconds that a message stays marked which was jumped to

export class Log {
  #log = $("log");
  #lines = $("lines");
  #excerpt = new Excerpt();
  #model;
  #room;
  #first; // the position that the log began with when it was last shown
  #newest; // what was last in the log when it was last shown
  #loading = false;
  #ended = true; // whether the newest line is in sight

  /**
   * @param act functions to call: `earlier`; `retry` and `discard` with a client id; `react`,
   *   `reply`, `link`, `edit` and `remove` with a message; `jump` to what one answers, `original` with
   *   the position of such a message; `write` when somebody begins to write; `ended`
   *   when the newest has come into sight.
   */
  constructor(act) {
    this.act = act;
    this.lines = new Lines(act);
    this.toolbar = new Toolbar(act);
    $("earlier").addEventListener("click", () => this.#earlier());
    $("newest").addEventListener("click", () => this.toEnd());
    this.#log.addEventListener("scroll", () => this.#scrolled());
    this.#lines.addEventListener("pointerover", (event) => {
      // A finger's tap gives the message the focus, and no button is under it before.
      if (event.pointerType !== "touch") this.#point(event.target);
    });
    this.#lines.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") this.toolbar.rest(); // a finger leaves with every tap
    });
    this.#lines.addEventListener("focusin", (event) => this.#point(event.target));
    // Later: what had the focus may just be gone, and another part of the toolbar get it.
    this.#lines.addEventListener("focusout", () => setTimeout(() => {
      // A dialog gives the focus back to the button that it was asked for with.
      const back = !document.hasFocus() || document.querySelector("dialog[open]");
      if (!back && !this.#lines.contains(document.activeElement)) this.toolbar.rest();
    }));
    this.#log.addEventListener("keydown", (event) => this.#key(event));
    // A phone's keyboard takes half of the height: what was in sight stays so.
    new ResizeObserver(() => this.#ended && this.#scrollToEnd()).observe(this.#log);
  }

  render(model) {
    this.#model = model;
    const room = model.room?.member ? model.room : undefined;
    const fresh = this.#room !== room;
    const older = room && room.log.first !== this.#first;
    if (fresh) this.#begin();
    // What is loaded on request is not news to announce.
    this.#log.setAttribute("aria-busy", fresh || Boolean(older));
    const held = this.#held();
    const { begins, ends } = this.#fill(room);
    this.toolbar.check();
    $("earlier").hidden = !room || (room.log.complete && begins);
    $("empty").hidden = Boolean(room && !isSilent(room));
    say($("empty"), room ? nothingIn(room, model.user) : words.noRoom);
    this.#keepInSight(held, this.#isNews(room));
    this.#ended = ends && this.#atEnd();
    if (this.#ended) this.#excerpt.follow();
    $("newest").hidden = !room || this.#ended;
    this.#room = room;
    this.#first = room?.log.first;
  }

  /** Make every line anew: the language changed. */
  reset() {
    this.#lines.replaceChildren();
  }

  /** Show the newest, and follow it from now on. */
  toEnd() {
    this.#excerpt.follow();
    this.#ended = true;
    this.render(this.#model);
    this.#scrollToEnd();
    this.act.ended();
  }

  /** Whether what is new in a room comes into sight. */
  follows(room) {
    return this.#ended || this.#room !== room; // a room that is opened begins at its end
  }

  /** Show the message at a position, which the log has, and mark it for a while. */
  goTo(position) {
    const { log } = this.#model.room;
    this.#excerpt.around(log, position);
    this.#ended = false;
    this.render(this.#model);
    const key = messageKey(log.at(position));
    const line = [...this.#lines.children].find(({ dataset }) => dataset.key === key);
    line.scrollIntoView({ block: "center" });
    line.classList.add("found");
    setTimeout(() => line.classList.remove("found"), SHOWN);
    focusOn(line, { preventScroll: true, focusVisible: true });
  }

  #begin() {
    this.#lines.replaceChildren();
    this.toolbar.leave();
    this.#excerpt.follow();
    this.#ended = true;
  }

  #fill(room) {
    if (!room) {
      this.#lines.replaceChildren();
      return { begins: true, ends: true };
    }
    const excerpt = this.#excerpt.of(room.log);
    // Who made and entered a room of two is no news there.
    const told = excerpt.entries.filter(({ text }) => room.kind !== "direct" || text !== undefined);
    const shown = excerpt.ends ? [...told, ...room.outgoing.values()] : told;
    const { user } = this.#model;
    sync(this.#lines, linesOf(shown, room.seam, user), (item) => this.lines.make(item), (line, item) => {
      this.lines.update(line, item, user, room);
    });
    return excerpt;
  }

  /** Whether something new came, and from whom. */
  #isNews(room) {
    const last = room && ([...room.outgoing.values()].at(-1) ?? room.log.entries.at(-1));
    const key = last && `${last.formerly ?? last.sender} ${last.client_id ?? last.position}`;
    const news = key !== this.#newest && this.#newest !== undefined && this.#room === room;
    this.#newest = key;
    return { news, mine: last?.sender === this.#model.user };
  }

  /** The first line in sight that stays as it is (no day, no note that others may join), and where. */
  #held() {
    if (this.#ended) return null;
    const top = this.#log.scrollTop;
    const first = (kind) => [...this.#lines.querySelectorAll(`:scope > ${kind}`)]
      .find((each) => each.offsetTop + each.offsetHeight > top);
    const line = first(".message") ?? first(".note");
    return line && { line, offset: line.offsetTop - top };
  }

  #keepInSight(held, { news, mine }) {
    if (news && mine && !this.#ended) return this.toEnd();
    if (this.#ended) this.#scrollToEnd();
    else if (held?.line.isConnected) this.#log.scrollTop = held.line.offsetTop - held.offset;
    const unseen = news ? !this.#ended : $("newest").classList.contains("news") && !this.#ended;
    $("newest").classList.toggle("news", unseen);
    say($("newest"), unseen ? words.newest : words.toNewest);
  }

  #scrolled() {
    const log = this.#room?.log;
    if (!log) return;
    const { begins, ends } = this.#excerpt.of(log);
    const wasEnded = this.#ended;
    this.#ended = ends && this.#atEnd();
    if (this.#ended !== wasEnded) {
      if (this.#ended) this.#excerpt.follow();
      else this.#excerpt.hold(log);
      $("newest").hidden = this.#ended;
      if (this.#ended) {
        $("newest").classList.remove("news");
        this.act.ended();
      }
    }
    if (this.#log.scrollTop < NEAR && (!begins || !log.complete)) this.#earlier();
    else if (!ends && this.#atEnd()) {
      this.#excerpt.down(log);
      this.render(this.#model);
    }
  }

  /** What is there already, or else the page before. */
  async #earlier() {
    const { log } = this.#room;
    if (!this.#excerpt.of(log).begins) {
      this.#excerpt.up(log);
      return this.render(this.#model);
    }
    if (this.#loading || log.complete) return;
    this.#loading = true;
    await this.act.earlier().finally(() => (this.#loading = false));
    if (!this.#ended && this.#room?.log === log) this.#excerpt.up(log);
    this.render(this.#model);
  }

  #point(target) {
    const line = target.closest(".message");
    const entry = line && this.#entryOf(line);
    if (!entry) return;
    const { room, user, role } = this.#model;
    const mine = entry.sender === user;
    const may = room.mayWrite(user) && !entry.deleted;
    const remove = !entry.deleted && (mine || room.mayModerate(user, role));
    this.toolbar.goTo(line, entry, { react: may, reply: may, link: !entry.deleted, edit: may && mine, remove });
  }

  #entryOf(line) {
    const { key } = line.dataset;
    return this.#room?.log.entries.findLast((entry) => messageKey(entry) === key);
  }

  /** Arrows go from message to message, and to notes that open; a letter begins to write. */
  #key(event) {
    const line = event.target.closest(STOPS);
    if ((event.target !== line && event.target !== this.#log) || composes(event)) return;
    const stops = [...this.#lines.querySelectorAll(STOPS)];
    const at = line ? stops.indexOf(line) : stops.length;
    const to = { ArrowUp: at - 1, ArrowDown: line ? at + 1 : at - 1, Home: 0, End: stops.length - 1 };
    if (Object.hasOwn(to, event.key)) {
      event.preventDefault();
      stops[Math.max(0, Math.min(to[event.key], stops.length - 1))]?.focus();
    } else if (event.key === "Escape" || isLetter(event)) this.act.write();
  }

  #atEnd() {
    return this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR;
  }

  #scrollToEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
  }
}

/** Whether nobody has written anything in a room that is known from its beginning. */
const isSilent = ({ log, outgoing }) =>
  log.complete && !outgoing.size && log.entries.every(({ text }) => text === undefined);

function nothingIn(room, user) {
  if (room.kind === "direct") return words.emptyDirect(nameOf(room.peerOf(user)));
  return room.members.size > 1 ? words.empty : words.emptyAlone;
}

const isLetter = ({ key, ctrlKey, metaKey, altKey }) =>
  [...key].length === 1 && key !== " " && !ctrlKey && !metaKey && !altKey;
