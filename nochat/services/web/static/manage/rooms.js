/** Rooms: who is in them, and moderation as their owners have it. */

import { confirmed } from "../view/dialogs.js";
import { $, el, say, sync } from "../view/dom.js";
import { focusOn } from "../view/focus.js";
import { afterPress } from "../view/press.js";
import * as api from "./api.js";
import { words } from "./words.js";

const LOOKS = [150, 300, 600, 1200, 2400]; // milliseconds: a command takes effect in its own time

const PAUSE = 250; // milliseconds after the last letter of the filter
const MOST = 500; // rooms on show: others are found by the filter

export class Rooms {
  #rooms = [];
  #more = false;
  #asked = 0;
  #failed;

  /** @param failed called with the error of a call. */
  constructor({ failed }) {
    this.#failed = failed;
    let due;
    $("room-filter").addEventListener("input", () => {
      clearTimeout(due);
      due = setTimeout(() => this.#fetch([], 1), PAUSE);
    });
    $("more-rooms").addEventListener("click", () => this.#fetch(this.#rooms, this.#rooms.length + 1));
  }

  /** Load again what is on show. */
  load() {
    return this.#fetch([], this.#rooms.length);
  }

  /** Add pages to rooms, until there are enough. */
  async #fetch(begun, enough) {
    const turn = (this.#asked += 1);
    const text = $("room-filter").value.trim();
    const rooms = [...begun];
    let more = true;
    try {
      do {
        const found = await api.rooms(text, rooms.at(-1)?.room ?? "");
        rooms.push(...found.rooms);
        more = found.more;
      } while (more && rooms.length < enough);
      await new Promise(afterPress);
      if (turn !== this.#asked) return; // something else was asked meanwhile
      this.#rooms = rooms;
      this.#more = more && rooms.length < MOST;
      this.render();
    } catch (error) {
      this.#failed(error);
    }
  }

  render() {
    const found = this.#rooms;
    $("more-rooms").hidden = !this.#more;
    sync($("room-list"), found.map((room) => ({ room, key: room.room })), () => this.#frame(), showRoom);
    $("no-rooms").hidden = found.length > 0;
  }

  #frame() {
    const text = (className) => el("span", { className });
    const summary = el("summary", {}, text("name"), text("mark"), text("owner hint"), text("size"));
    const members = el("ul", { className: "members" });
    const banned = el("ul", { className: "members banned" });
    const none = el("p", { className: "hint none" });
    const title = el("h3", { className: "banned-title" });
    const remove = el("button", { className: "grave", onclick: () => this.#delete(frame.room) });
    const end = el("p", { className: "row end" }, remove);
    const details = el("details", { className: "card" }, summary, none, members, title, banned, end);
    const frame = el("li", {}, details);
    frame.act = (user, action) => this.#moderate(frame.room, user, action);
    details.addEventListener("toggle", () => showMembers(frame));
    return frame;
  }

  async #delete({ room, title }) {
    const ask = { title: words.deleteRoomAsk(title), hint: words.deleteRoomHint, act: words.deleteRoom };
    if (!(await confirmed(ask))) return;
    try {
      const before = this.#state(room);
      await api.deleteRoom(room);
      say($("rooms-told"), (await this.#changes(room, before)) ? words.roomIsDeleted(title) : words.nothingChanged);
    } catch (error) {
      say($("rooms-told"), words.notDone(error.message));
    }
    if (document.activeElement === document.body) focusOn($("rooms"));
  }

  async #moderate({ room, title }, user, action) {
    if (words.moderateAsk[action]) {
      const ask = words.moderateAsk[action](user, title);
      const asked = { title: ask, hint: words.moderateHint[action], act: words.moderate[action] };
      if (!(await confirmed(asked))) return;
    }
    try {
      const before = this.#state(room);
      await api.moderate(room, user, action);
      const changed = await this.#changes(room, before);
      say($("rooms-told"), changed ? words.moderateDone[action](user, title) : words.nothingChanged);
    } catch (error) {
      say($("rooms-told"), words.notDone(error.message));
    }
    if (document.activeElement === document.body) focusOn($("rooms"));
  }

  /** Wait until the controller has decided; tells whether it has. */
  async #changes(room, before) {
    for (const pause of LOOKS) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      await this.load();
      if (this.#state(room) !== before) return true;
    }
    return false;
  }

  #state(id) {
    const { members, muted, banned } = this.#rooms.find(({ room }) => room === id) ?? {};
    return JSON.stringify([members, muted, banned]);
  }
}

function showRoom(frame, { room }) {
  frame.room = room;
  const at = (selector) => frame.querySelector(selector);
  say(at(".name"), room.title);
  say(at(".mark"), words.kinds[room.kind]);
  say(at(".owner"), words.ownedBy(room.owner));
  say(at(".end button"), words.deleteRoom);
  at(".end button").setAttribute("aria-label", words.moderateWhom(words.deleteRoom, room.title));
  at(".end").hidden = room.room === "lobby";
  say(at(".size"), `${words.membersOf(room.members.length)} · ${words.entriesOf(room.position)}`);
  showMembers(frame);
}

function showMembers(frame) {
  if (!frame.firstElementChild.open) return;
  const { room, act } = frame;
  const at = (selector) => frame.querySelector(selector);
  const items = (users, state) => users.map((user) => ({ user, state, key: `${user} ${state} ${words.language}` }));
  const members = room.members.flatMap((user) => items([user], room.muted.includes(user) ? "muted" : ""));
  sync(at(".members"), members, (it) => person(it, room, act, [it.state ? "unmute" : "mute", "kick", "ban"]));
  sync(at(".banned"), items(room.banned, "banned"), (it) => person(it, room, act, ["unban"]));
  say(at(".none"), room.members.length ? "" : words.noMembers);
  say(at(".banned-title"), room.banned.length ? words.bannedHere : "");
}

function person({ user, state }, room, act, actions) {
  const notes = [...(user === room.owner ? [words.isOwner] : []), ...(state === "muted" ? [words.isMuted] : [])];
  const buttons = actions.map((action) => {
    const text = words.moderate[action];
    const properties = { onclick: () => act(user, action), "aria-label": words.moderateWhom(text, user) };
    return el("button", { ...properties, className: action === "ban" ? "grave" : "" }, text);
  });
  const marks = notes.map((note) => el("strong", { className: "mark" }, note));
  return el("li", {}, el("span", { className: "who" }, user), ...marks, el("span", { className: "row" }, ...buttons));
}
