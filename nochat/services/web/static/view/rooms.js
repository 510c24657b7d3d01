/** The panel of rooms: invitations, the user's own rooms and talks with what is unread, the others. */

import { searchable } from "../text.js";
import { nameOf, words } from "../words.js";
import { $, avatar, el, icon, say, sync } from "./dom.js";
import { focusOn } from "./focus.js";

const MANY = 8; // other rooms from which on a filter is of use
const PAGE = 20; // other rooms asked for at once
const PAUSE = 250; // milliseconds after the last letter of the filter

export class Rooms {
  #model;
  #page = { text: "", last: "", more: false }; // the last one that the chat gave of the other rooms
  #asked = 0;
  #due; // when the filter was changed and nothing was asked for yet

  /**
   * @param act functions to call with a room's id: `open`, `join`, `decline`; and `browse`, which
   *   takes what rooms are asked for and gives them later.
   */
  constructor(act) {
    this.act = act;
    $("others-filter").addEventListener("input", () => {
      this.render(this.#model);
      busy(true);
      clearTimeout(this.#due);
      this.#due = setTimeout(() => this.look(), PAUSE);
    });
    $("more-others").addEventListener("click", () => this.#more());
  }

  /** Ask for the first of the other rooms, or of those that the filter names. */
  look() {
    return this.#ask(this.#filter, "");
  }

  async #more() {
    const { text, last } = this.#page;
    await (text === this.#filter ? this.#ask(text, last) : this.look());
    if ($("more-others").hidden) focusOn($("others-filter"));
  }

  async #ask(text, after) {
    const turn = (this.#asked += 1);
    clearTimeout(this.#due);
    busy(true);
    try {
      const { rooms, more } = await this.act.browse({ text, after, limit: PAGE });
      if (turn === this.#asked) this.#page = { text, last: rooms.at(-1)?.room ?? "", more };
    } catch {
      // Without a connection the next welcome asks again; what is known stays.
    }
    if (turn !== this.#asked) return;
    busy(false);
    if (this.#model) this.render(this.#model); // else the answer came before the page was drawn
  }

  get #filter() {
    return $("others-filter").value.trim();
  }

  render(model) {
    this.#model = model;
    const rooms = [...model.rooms.values()]
      .map((room) => ({ key: room.id, room, title: nameOf(room.titleFor(model.user)) }))
      .sort((one, other) => one.title.localeCompare(other.title));
    const mine = (item) => this.#make(item, model);
    const update = (row, item) => this.#update(row, item, model);
    sync($("invitations"), rooms.filter(({ room }) => room.invited), (item) => this.#invitation(item));
    sync($("joined"), rooms.filter(({ room }) => room.member && room.kind !== "direct"), mine, update);
    sync($("directs"), rooms.filter(({ room }) => room.member && room.kind === "direct"), mine, update);
    this.#renderOthers(rooms.filter(({ room }) => isOffered(room)));
    $("invitations-title").hidden = !$("invitations").children.length;
    say($("me"), model.user);
    const { unread, mentions } = model.elsewhere;
    badge($("elsewhere"), mentions || unread, mentions > 0);
  }

  /** Forget what was filtered: its reader left. */
  clear() {
    $("others-filter").value = "";
    this.#page = { text: "", last: "", more: false };
    this.#asked += 1;
  }

  #renderOthers(others) {
    const filter = $("others-filter");
    const { more } = this.#page;
    filter.hidden = others.length < MANY && !filter.value && !more;
    const wanted = filter.hidden ? "" : this.#filter;
    const shown = others.filter(({ title }) => searchable(title).includes(searchable(wanted)));
    sync($("others"), shown, (item) => this.#offer(item), (row, { title }) => {
      say(row.querySelector(".name"), title);
    });
    $("more-others").hidden = !more;
    $("others-title").hidden = others.length === 0 && !more;
    $("no-others").hidden = others.length === 0 || shown.length > 0 || more;
  }

  #make({ room, title }, model) {
    const open = () => this.act.open(room.id);
    const name = el("span", { className: "name", dir: "auto" });
    const count = el("span", { className: "badge", hidden: true });
    const direct = room.kind === "direct";
    const sign = direct ? avatar(title, "presence") : icon(room.kind === "private" ? "lock" : "hash");
    const state = el("span", { className: "unseen" });
    if (room.kind === "private") state.textContent = words.privateRoom;
    const button = el("button", { className: "room", onclick: open }, sign, name, state, count);
    return el("li", model.online.has(title) && direct ? { className: "online" } : {}, button);
  }

  #update(row, { room, title }, model) {
    const button = row.firstElementChild;
    say(button.querySelector(".name"), title === model.user ? `${title} ${words.you}` : title);
    if (room.id === model.current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    if (room.kind === "direct") {
      const online = model.online.has(title);
      row.classList.toggle("online", online);
      say(button.querySelector(".unseen"), online ? words.online : words.offline);
    }
    badge(button.querySelector(".badge"), room.mentions || room.unread, room.mentions > 0);
  }

  #offer({ room }) {
    const name = el("span", { className: "name", id: `other-${room.id}`, dir: "auto" });
    return el("li", { className: "other" }, name, this.#button(room, "join", "other"));
  }

  #invitation({ room, title }) {
    const name = el("p", { className: "name", id: `invited-${room.id}`, dir: "auto" }, title);
    const from = room.inviter ? [el("p", { className: "hint" }, words.invitedBy(room.inviter))] : [];
    const answers = el("div", { className: "row" }, this.#button(room, "accept", "invited"), this.#button(room, "decline", "invited"));
    return el("li", { className: "invitation" }, name, ...from, answers);
  }

  /** A button whose name ends with the room's. */
  #button(room, verb, owner) {
    const act = verb === "decline" ? this.act.decline : this.act.join;
    const id = `${verb}-${room.id}`;
    const labels = { id, "aria-labelledby": `${id} ${owner}-${room.id}` };
    return el("button", { ...labels, onclick: () => act(room.id) }, words[verb]);
  }
}

// A room that we only have unsent messages for may be gone.
const isOffered = (room) => !room.member && !room.invited && room.kind === "public";

const busy = (is) => $("others").setAttribute("aria-busy", String(is));

/** A count; mentions are marked with an @. */
function badge(element, count, mentions) {
  element.hidden = count === 0;
  element.classList.toggle("mentions", mentions);
  say(element, count ? `${mentions ? "@" : ""}${count}` : "");
  const label = mentions ? words.mentions(count) : words.unread(count);
  element.title = label;
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
}
