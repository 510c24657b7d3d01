/** Who is in the open room and who of them is online, and who is typing. */

import { words } from "../words.js";
import { $, el, say, sync } from "./dom.js";
import { avatar } from "./log.js";

export function renderPeople(model) {
  const members = [...(model.room?.members ?? [])];
  const people = members.map((user) => ({ key: user, user, online: model.online.has(user) }));
  people.sort((a, b) => b.online - a.online || a.user.localeCompare(b.user));
  const online = people.filter((person) => person.online).length;
  say($("people-title"), words.people(online, people.length));
  sync($("people"), people, make, (row, person) => {
    const state = person.online ? words.online : words.offline;
    row.classList.toggle("online", person.online);
    say(row.querySelector(".unseen"), state);
    say(row.querySelector(".name"), `${person.user} ${person.user === model.user ? words.you : ""}`.trim());
  });
}

export function renderTyping(model, now) {
  say($("typing"), model.room ? words.typing(model.typists(model.room, now)) : "");
}

function make({ user }) {
  return el("li", {}, avatar(user), el("span", { className: "name" }), el("span", { className: "unseen" }));
}
