/** The panel of rooms: those that the user is in, with what is unread, and the others. */

import { words } from "../words.js";
import { $, el, say, sync } from "./dom.js";

export class Rooms {
  /** @param act functions to call: `open` and `join` with an id, `create` with an id and a title. */
  constructor(act) {
    this.act = act;
    $("create").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#create(event.target);
    });
  }

  render(model) {
    const rooms = [...model.rooms.values()].sort((a, b) => a.title.localeCompare(b.title));
    const items = rooms.map((room) => ({ key: room.id, room, open: room.id === model.current }));
    const mine = items.filter(({ room }) => room.member);
    const others = items.filter(({ room }) => !room.member);
    sync($("joined"), mine, (item) => this.#make(item.room), update);
    sync($("others"), others, (item) => this.#offer(item.room), (row, { room }) => {
      say(row.querySelector(".name"), room.title);
    });
    $("others-title").hidden = others.length === 0;
    say($("me"), model.user);
    const { unread, mentions } = model.elsewhere;
    badge($("elsewhere"), mentions || unread, mentions > 0);
  }

  #make(room) {
    const open = () => this.act.open(room.id);
    const name = el("span", { className: "name" });
    const count = el("span", { className: "badge", hidden: true });
    return el("li", {}, el("button", { className: "room", onclick: open }, name, count));
  }

  #offer(room) {
    const name = el("span", { className: "name", id: `other-${room.id}` });
    const join = () => this.act.join(room.id);
    const labels = { id: `join-${room.id}`, "aria-labelledby": `join-${room.id} other-${room.id}` };
    return el("li", { className: "other" }, name, el("button", { ...labels, onclick: join }, words.join));
  }

  #create(form) {
    const title = form.title.value.trim();
    const id = idOf(title);
    say($("create-error"), id ? "" : words.badTitle);
    if (!id) return form.title.focus();
    form.reset();
    this.act.create(id, title);
  }
}

function update(row, { room, open }) {
  const button = row.firstElementChild;
  say(button.querySelector(".name"), room.title);
  if (open) button.setAttribute("aria-current", "true");
  else button.removeAttribute("aria-current");
  badge(button.querySelector(".badge"), room.mentions || room.unread, room.mentions > 0);
}

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

/** A room's id from its title: "Café & Té" is "cafe-te". */
function idOf(title) {
  const plain = title.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  return plain.replace(/[^a-z0-9]+/g, "-").replace(/^-/, "").slice(0, 40).replace(/-$/, "");
}
