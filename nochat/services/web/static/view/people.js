/** Who is in the open room and who of them is online, what can be done with them, who is typing. */

import { isDeleted } from "../erased.js";
import { nameOf, words } from "../words.js";
import { $, avatar, el, say, sync } from "./dom.js";
import { toggleMenu } from "./menu.js";

export class People {
  #model;

  /** @param act functions to call: `write` with a user, `moderate` with an action and a user. */
  constructor(act) {
    this.act = act;
  }

  render(model) {
    this.#model = model;
    const room = model.room;
    const people = [...(room?.members ?? [])].map((user) => ({ key: user, user, online: model.online.has(user) }));
    people.sort((a, b) => b.online - a.online || a.user.localeCompare(b.user));
    const online = people.filter((person) => person.online).length;
    say($("people-title"), words.peopleCount(online, people.length));
    const make = ({ user }) => this.#make(user);
    sync($("people"), people, make, (row, person) => this.#update(row, person));
    const banned = room?.mayModerate(model.user, model.role) ? [...room.banned] : [];
    $("banned-title").hidden = banned.length === 0;
    sync($("banned"), banned.map((user) => ({ key: user, user })), make, (row, { user }) => {
      say(row.querySelector(".name"), user);
    });
  }

  #make(user) {
    const button = el("button", { "aria-haspopup": "menu", "aria-expanded": "false" },
      avatar(user, "small presence"),
      el("span", {}, el("span", { className: "name", dir: "auto" }), el("span", { className: "what" }), el("span", { className: "unseen" })));
    button.disabled = isDeleted(user); // nothing can be done with them
    button.addEventListener("click", () => toggleMenu(button, this.#choices(user)));
    return el("li", { className: "person" }, button);
  }

  #update(row, { user, online }) {
    const room = this.#model.room;
    row.classList.toggle("online", online);
    say(row.querySelector(".name"), `${nameOf(user)} ${user === this.#model.user ? words.you : ""}`.trim());
    const what = [room.kind !== "direct" && room.owner === user && words.owner, room.muted.has(user) && words.muted];
    say(row.querySelector(".what"), what.filter(Boolean).join(", "));
    say(row.querySelector(".unseen"), ` ${online ? words.online : words.offline}`);
  }

  #choices(user) {
    const { room, role, user: me } = this.#model;
    const moderate = (action, grave = false) =>
      ({ label: words[action], act: () => this.act.moderate(action, user), grave });
    const choices = [{ label: words.write, act: () => this.act.write(user) }];
    if (!room.mayModerate(me, role) || user === me) return choices;
    if (room.banned.has(user)) return [...choices, moderate("unban")];
    if (room.owner === user && role !== "manager") return choices;
    const mute = moderate(room.muted.has(user) ? "unmute" : "mute");
    return [...choices, mute, moderate("kick", true), moderate("ban", true)];
  }
}

export function renderTyping(model, now) {
  say($("typing"), model.room ? words.typing(model.typists(model.room, now)) : "");
}
