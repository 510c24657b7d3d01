/** The wiring, and the only place of it: model, connection and views. */

import * as api from "./api.js";
import { Connection } from "./connection.js";
import { Model } from "./model.js";
import { Composer } from "./view/composer.js";
import { Door } from "./view/door.js";
import { $, say } from "./view/dom.js";
import { closeDrawers, wireDrawers } from "./view/drawers.js";
import { Log } from "./view/log.js";
import { notice } from "./view/notices.js";
import { renderPeople, renderTyping } from "./view/people.js";
import { Rooms } from "./view/rooms.js";
import { words } from "./words.js";

const LOBBY = "lobby";
const ENOUGH = 30; // entries to begin with in a room that is opened
const FRAME = 16; // milliseconds: what happens within is shown at once

let model = new Model();
let connection = null;
let wanted = ""; // a room to open as soon as we are in it
let due = null;

const door = new Door(async (action, user, password) => {
  await (action === "register" ? api.register : api.logIn)(user, password);
  await enter();
});
const rooms = new Rooms({ open, join, create });
const log = new Log({
  earlier: () => connection.lookBack(model.room).catch((error) => refused(error.message)),
  retry: (id) => connection.retry(model.room, model.room.outgoing.get(id)),
  discard: (id) => {
    model.room.outgoing.delete(id);
    changed();
  },
});
const composer = new Composer({
  send: (text) => connection.send(model.room, text),
  typing: () => connection.typing(model.current),
});

$("log-out").addEventListener("click", async () => {
  await api.logOut().catch((error) => refused(error.message));
  leave();
});
$("leave").addEventListener("click", () => connection.leave(model.current));
document.addEventListener("visibilitychange", changed);
window.addEventListener("hashchange", () => open(location.hash.slice(1)));
wireDrawers();
enter().catch((error) => door.show(error.message));

/** Show the chat to who is logged in, the door to everybody else. */
async function enter() {
  const { user, gateway } = await api.me();
  if (!user) return door.show();
  door.hide();
  $("chat").hidden = false;
  model = new Model();
  model.user = user;
  connection = new Connection(gateway, model, {
    changed,
    welcomed,
    expired: () => leave(words.sessionOver),
    refused,
    mentioned,
  });
  changed();
}

function leave(message) {
  connection.close();
  connection = null;
  model = new Model();
  wanted = "";
  $("chat").hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
  show();
  door.show(message);
}

/** In a room already: open it. In none: the lobby is for everybody. */
function welcomed() {
  if (model.room?.member) return changed();
  const asked = model.rooms.get(location.hash.slice(1));
  const first = asked?.member ? asked : model.joined[0];
  if (first) open(first.id);
  else join(LOBBY);
}

function join(id) {
  wanted = id;
  connection.join(id);
}

function create(id, title) {
  wanted = id;
  connection.create(id, title);
}

function open(id) {
  const room = model.rooms.get(id);
  if (!room?.member) return;
  model.current = id;
  wanted = "";
  history.replaceState(null, "", `#${id}`);
  closeDrawers();
  composer.focus();
  if (!room.log.complete && room.log.entries.length < ENOUGH) {
    connection.lookBack(room).catch(() => {}); // the button for earlier messages stays
  }
  changed();
}

function refused(reason) {
  wanted = "";
  notice(words.refused(reason));
}

function mentioned({ room: id, sender, text }) {
  if (id === model.current && !document.hidden) return;
  notice(`${words.mentioned(sender, model.find(id).title)}: ${text}`, () => open(id));
}

/** Something may look different now. */
function changed() {
  due ??= setTimeout(show, FRAME);
}

function show() {
  due = null;
  settle();
  rooms.render(model);
  log.render(model);
  composer.render(model);
  renderPeople(model);
  renderTyping(model, Date.now());
  say($("room-title"), model.room?.title ?? "NoChat");
  $("leave").hidden = !model.room?.member;
  say($("banner"), { connecting: words.connecting, away: words.away }[model.status] ?? "");
  document.body.dataset.status = model.status;
  say($("transport"), model.status === "online" ? words.connected(connection.transport) : "");
  const unread = model.joined.reduce((sum, room) => sum + room.unread, 0);
  document.title = unread ? `(${unread}) NoChat` : "NoChat";
}

/** What follows from the model: a room to open or to close, one that is read. */
function settle() {
  if (!connection) return;
  if (wanted && model.rooms.get(wanted)?.member) open(wanted);
  if (model.current && !model.room.member) model.current = "";
  if (!model.room || document.hidden) return;
  const position = model.readAll(model.room);
  if (position !== null) connection.read(model.current, position);
}

// Who stopped typing says nothing.
setInterval(() => renderTyping(model, Date.now()), 1000);
