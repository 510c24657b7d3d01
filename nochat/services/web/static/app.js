/** The wiring, and the only place of it: model, connection and views. */

import { addressOf, fragmentOf, placeOf } from "./address.js";
import * as api from "./api.js";
import { Closed, Connection, newId } from "./connection.js";
import * as drafts from "./drafts.js";
import { plain } from "./markdown.js";
import { Model } from "./model.js";
import { Originals } from "./originals.js";
import * as outbox from "./outbox.js";
import { isKept, preference } from "./preferences.js";
import { hasReacted } from "./reactions.js";
import * as session from "./session.js";
import { shielded } from "./shield.js";
import { idBeside, privateId } from "./text.js";
import { Account } from "./view/account.js";
import * as alerts from "./view/alerts.js";
import { copied } from "./view/clipboard.js";
import { Composer } from "./view/composer.js";
import { closeDialogs, confirmed, wireDialogs } from "./view/dialogs.js";
import { Door } from "./view/door.js";
import { $, drawIcons } from "./view/dom.js";
import { closeDrawers, wireDrawers } from "./view/drawers.js";
import { Header } from "./view/header.js";
import { Log } from "./view/log.js";
import { closeMenu } from "./view/menu.js";
import { wireNewRoom } from "./view/newroom.js";
import { clearNotices, notice } from "./view/notices.js";
import { People, renderTyping } from "./view/people.js";
import { afterPress } from "./view/press.js";
import { Rooms } from "./view/rooms.js";
import { Search } from "./view/search.js";
import { Settings } from "./view/settings.js";
import { Tokens } from "./view/tokens.js";
import { Whom } from "./view/whom.js";
import { nameOf, speak, words } from "./words.js";

const LOBBY = "lobby";
const ENOUGH = 30; // entries to begin with in a room that is opened
const FRAME = 16; // milliseconds: what happens within is shown at once
const PAGE = 200; // entries at a time on the way back to a message that was found …
const PAGES = 50; // … and how often

let model = new Model();
let connection = null;
let originals = null;
let wanted = ""; // a room to open as soon as we are in it
let making = null; // the room that is to be made, as long as another id may be needed
let wantedPlace = null; // a message to show in it: `{room, position}`
let due = null;
let leaving = false; // a log-out is under way: that the session ends is no news until it is answered

speak(preference("language"));
drawIcons();

const door = new Door(async (action, user, password) => {
  await (action === "register" ? api.register : api.logIn)(user, password);
  session.announce();
  await enter();
  if (!model.user) throw new Error(words.noCookies);
});
const rooms = new Rooms({ open, join, decline, browse });
const whom = new Whom(async (begun) => (await api.users(begun)).filter((name) => name !== model.user));
const log = new Log({
  earlier: async () => connection?.lookBack(model.room).catch(failed),
  retry: (id) => connection.retry(model.room, model.room.outgoing.get(id)),
  discard: (id) => {
    model.room.outgoing.delete(id);
    changed();
  },
  react,
  reply: (message) => composer.reply(message),
  link: copyLink,
  edit: (message) => composer.edit(message),
  remove,
  jump,
  original,
  write: () => composer.focus(),
  ended: () => changed(),
});
const composer = new Composer({
  send: (text, reply_to) => connection.send(model.room, text, reply_to),
  changed,
  original,
  change: ({ position }, text) => attempt("edit", { room: model.current, position, text }),
  typing: () => connection.typing(model.current),
  lastOwn: () => model.lastOwn,
});
const header = new Header({ invite, link: () => copyLink({}), leave: leaveRoom });
const people = new People({ write, moderate });
const search = new Search({ find, show: showMessage, title: (id) => nameOf(model.titleOf(id)) });
const account = new Account({
  sessions: api.sessions,
  end: api.endSession,
  endOthers: api.endOtherSessions,
  take: api.takeData,
  remove: deleteAccount,
});
const tokens = new Tokens({ list: api.tokens, make: api.makeToken, revoke: api.revokeToken });
const settings = new Settings({
  opened: () => Promise.all([account.show(), tokens.show()]),
  speak: translate,
  change: api.changePassword,
  leave: logOut,
});

wireDrawers();
wireDialogs();
wireNewRoom(create);
$("new-message").addEventListener("click", () => whom.ask(words.newMessage, words.startWriting, startDirect));
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("log").focus();
});
document.addEventListener("visibilitychange", lookedAt);
window.addEventListener("hashchange", visit);
document.addEventListener("click", ({ target }) => {
  // A link to where we are already changes no address.
  if (target.closest("a[href^='#/']")?.getAttribute("href") === location.hash) visit();
});
session.watch(() => model.user, replaced);
comeIn();

// ---- coming and going ----

/** As `enter`; why nobody can come in is said at the door. */
async function comeIn(message) {
  await enter(message).catch((error) => door.show(error.message));
}

/** Show the chat to who is logged in, the door, with a message, to everybody else. */
async function enter(message = "") {
  const { user, role, gateway, registration } = await api.me();
  door.offer(registration);
  connection?.close();
  if (!user) return door.show(isKept() ? message : words.noCookies);
  door.hide();
  alerts.belongTo(user);
  $("chat").hidden = false;
  model = new Model();
  Object.assign(model, { user, role });
  outbox.restore(model);
  const tell = { changed, welcomed, expired, replaced, refused, notified, invited, empowered, deleted };
  connection = new Connection(gateway, model, tell);
  originals = new Originals((page) => connection.do("history", page), changed);
  changed();
}

/** Nothing of a user is left for the next; what they had not sent is kept for them. */
function exit(message) {
  if (connection) outbox.keep(model);
  connection?.close();
  connection = null;
  model = new Model();
  wanted = "";
  making = null;
  for (const tidy of [closeDialogs, closeMenu, closeDrawers, clearNotices]) tidy();
  for (const view of [composer, search, rooms]) view.clear();
  alerts.belongTo("");
  $("chat").hidden = true;
  show();
  door.show(message);
}

async function logOut() {
  const { user } = model;
  const unsent = outbox.unsentOf(model).length;
  const ask = { title: words.unsentAsk(unsent), hint: words.unsentHint, act: words.logOut };
  if (unsent && !(await confirmed(ask))) return;
  try {
    await ending(api.logOut());
  } catch (error) {
    closeDialogs();
    return failed(error); // still logged in: nobody may believe otherwise
  }
  forget(user);
}

async function deleteAccount(password) {
  const { user } = model;
  await ending(api.deleteAccount(password));
  forget(user, words.accountDeleted);
}

/** Whoever logged in again before the answer to the log-out would be logged out by it. */
async function ending(answer) {
  leaving = true;
  try {
    await answer;
  } finally {
    leaving = false;
  }
}

/** Nothing of who leaves for good is kept here. */
function forget(user, message) {
  session.announce();
  composer.clear();
  drafts.forget(user);
  outbox.forget(user);
  model.outgoing.forEach(({ room }) => room.outgoing.clear());
  exit(message);
  point(); // whoever comes next begins anew
}

/** Another tab logged out, or somebody else in: this one shows who it is now. */
async function replaced() {
  const { user } = model;
  if (!user) return door.isUntouched && comeIn();
  exit();
  await comeIn(words.sessionOver);
  if (model.user === user) exit(words.sessionOver); // only the gateway takes us for another
  else if (model.user) notice(words.nowAnother(model.user));
}

function expired(reason) {
  if (!leaving) exit(reason ? words.signedOut(reason) : words.sessionOver);
}

/** In a room already: stay. In none: the place in the address, or any room, or the lobby. */
async function welcomed() {
  const { user } = model;
  originals.again();
  rooms.look();
  if (model.room?.member) return changed();
  await visit();
  if (model.room || model.user !== user) return;
  const [first] = model.joined;
  if (first) open(first.id);
  else if (!wanted) join(LOBBY);
}

// ---- places and their addresses ----

/** Go where the address says: by Back and Forward, a link, or what somebody typed. */
async function visit() {
  const { hash } = location;
  if (!hash || model.status === "connecting") return;
  const place = placeOf(hash);
  const room = model.rooms.get(place?.room);
  if (room?.member) return showPlace(place);
  if (place && !isOpenTo(room)) await browse({ text: "", only: place.room }).catch(() => {});
  if (location.hash !== hash || !connection) return; // elsewhere meanwhile
  if (place && isOpenTo(model.rooms.get(place.room))) offer(model.find(place.room), place.position);
  else {
    notice(words.noSuchRoom);
    point(model.current, 0, true);
  }
}

const isOpenTo = (room) => Boolean(room?.invited || room?.kind === "public");

/** A room that one may enter is not entered by its address alone: the others would see it. */
async function offer({ id }, position) {
  if (document.querySelector("dialog[open]")) return point(model.current, 0, true);
  const ask = { title: words.joinAsk(model.titleOf(id)), hint: words.joinHint, act: words.join, grave: false };
  const newcomer = id === LOBBY && model.joined.length === 0; // they come in there anyway
  if (newcomer || (await confirmed(ask))) {
    wantedPlace = { room: id, position };
    join(id);
  } else if (connection) point(model.current, 0, true);
}

/** Put a place into the address; in the browser's history it is a new one if there was one before. */
function point(room = "", position = 0, instead = !room || !model.current) {
  const fragment = room && fragmentOf(room, position);
  if (location.hash === fragment) return;
  history[instead ? "replaceState" : "pushState"](null, "", location.pathname + location.search + fragment);
}

async function copyLink({ position }) {
  const link = addressOf(model.current, position);
  notice((await copied(link)) ? words.linkCopied : words.linkIs(link));
}

/** From an answer to what it answers; Back returns to the answer. */
function jump({ position, reply_to }) {
  if (position) point(model.current, position, true);
  showMessage(model.current, reply_to);
}

function original(position) {
  originals?.want(model.room, position);
}

// ---- rooms ----

function open(id, position = 0) {
  const room = model.rooms.get(id);
  if (!room?.member) return;
  // Who has read nothing here yet needs no line before all of it.
  if (id !== model.current) room.seam = room.unread && room.read ? room.read : null;
  point(id, position);
  model.current = id;
  wanted = "";
  wantedPlace = null;
  making = null;
  closeDrawers();
  composer.focus();
  if (!room.log.complete && room.log.entries.length < ENOUGH) {
    connection?.lookBack(room).catch(() => {}); // the button for earlier messages stays
  }
  changed();
}

function join(id) {
  wanted = id;
  attempt("join", { room: id });
}

/** Ask for public rooms, by pages; gives those that came, and whether there are more. */
async function browse(wanted) {
  const found = await connection.do("rooms", wanted);
  model.listed(found.rooms);
  changed();
  return found;
}

async function decline(id) {
  if (await attempt("leave", { room: id })) model.declined(id);
  changed();
}

/** Make a room; where its id is taken, another one is used: titles may be the same. */
async function create(id, title, isPrivate) {
  if (isPrivate) wanted = privateId(id, newId());
  else wanted = model.rooms.has(id) ? idBeside(id, newId()) : id;
  making = { room: wanted, title, private: isPrivate };
  await connection.do("create", making);
}

/** It was refused: its id may be that of a room that we have not heard of yet. Once is enough. */
function createAgain({ room, title, private: isPrivate }) {
  create(idBeside(room, newId()), title, isPrivate).catch(failed);
  making = null;
}

function invite() {
  const { id } = model.room;
  whom.ask(words.inviteTo(model.titleOf(id)), words.inviteVerb, async (user) => {
    await connection.do("invite", { room: id, user });
    notice(words.inviteDone(user));
  });
}

async function leaveRoom() {
  const { id, kind } = model.room;
  const ask = { title: words.leaveAsk(model.titleOf(id)), hint: words.leaveHint, act: words.leaveVerb };
  if (kind === "public" || (await confirmed(ask))) attempt("leave", { room: id });
}

function write(user) {
  startDirect(user).catch(failed);
}

async function startDirect(user) {
  const known = model.directWith(user);
  wanted = known ? known.id : (await connection.do("direct", { user })).room;
  changed();
}

async function moderate(action, user) {
  const ask = { title: words[`${action}Ask`]?.(user), hint: words[`${action}Hint`], act: words[`${action}Verb`] };
  const room = model.current;
  if (!ask.title || (await confirmed(ask))) attempt("moderate", { room, user, action });
}

// ---- messages ----

function react(message, emoji) {
  const on = !hasReacted(message, emoji, model.user);
  attempt("react", { room: model.current, position: message.position, emoji, on });
}

async function remove({ position }) {
  const room = model.current;
  const ask = { title: words.deleteAsk, hint: words.deleteHint, act: words.deleteVerb };
  if (await confirmed(ask)) attempt("delete", { room, position });
}

function find({ text, here, before, limit }) {
  const room = here ? model.current : "";
  return connection.do("search", { text, room, before: before ?? null, limit });
}

function showPlace({ room, position }) {
  if (position) showMessage(room, position);
  else open(room);
}

/** Open a room at a message: look back until it is there. */
async function showMessage(id, position) {
  const room = model.rooms.get(id);
  if (!room?.member) return refused(words.noAnswer);
  open(id, position);
  try {
    for (let pages = 0; room.log.first > position && !room.log.complete && pages < PAGES; pages++) {
      await connection.lookBack(room, PAGE);
    }
  } catch (error) {
    return failed(error);
  }
  if (model.current !== id) return;
  show();
  if (room.log.at(position)?.text !== undefined) return log.goTo(position);
  notice(position < room.log.first ? words.tooFarBack : words.noSuchMessage);
  point(id, 0, true);
}

/** Ask for it; what is refused is said in a notice. */
async function attempt(action, data) {
  try {
    return await connection?.do(action, data);
  } catch (error) {
    failed(error);
    return null;
  }
}

function failed(error) {
  if (!(error instanceof Closed)) refused(error.message);
}

// ---- what is told ----

function refused(reason, room) {
  if (making && room === making.room) return createAgain(making);
  wanted = "";
  notice(words.refused(reason));
}

function notified({ room: id, sender, text, reason }) {
  const title = reason === "direct" ? words.wrote(nameOf(sender)) : words.mentioned(nameOf(sender), model.titleOf(id));
  const said = plain(text);
  alerts.alert(title, said, id, () => open(id));
  if (id === model.current && !document.hidden) return;
  notice(`${title}: ${said}`, () => open(id));
}

function deleted(title) {
  notice(words.roomDeleted(title));
}

function invited({ room: id, user }) {
  notice(words.invitedTo(user, model.titleOf(id)));
}

/** What is open offers what the old role allows. */
function empowered() {
  closeMenu();
  log.toolbar.leave();
}

/** Who comes back to the page sees where they were, if anything came since. */
function lookedAt() {
  const room = model.room;
  if (room) room.seam = document.hidden || room.unread ? room.read : null;
  changed();
}

// ---- showing ----

function translate(language) {
  speak(language);
  settings.translate();
  log.reset();
  for (const list of document.querySelectorAll("#chat .panel ul")) list.replaceChildren();
  composer.focus();
  show();
}

/** Something may look different now. */
function changed() {
  due ??= setTimeout(() => afterPress(show), FRAME);
}

function show() {
  clearTimeout(due);
  due = null;
  shielded(settle);
  for (const view of [rooms, log, composer, people, header, settings]) {
    shielded(() => view.render(model, connection?.transport));
  }
  shielded(renderTyping, model, performance.now());
}

/** What follows from the model: a room to open or to close, one that is read. */
function settle() {
  if (!connection) return;
  outbox.keep(model);
  if (wanted && model.rooms.get(wanted)?.member) {
    showPlace(wantedPlace?.room === wanted ? wantedPlace : { room: wanted });
  }
  if (model.current && !model.room.member) {
    model.current = "";
    point();
  }
  if (model.room?.stale) {
    model.room.stale = false;
    connection.lookBack(model.room).catch(() => {}); // the button for earlier messages stays
  }
  if (!model.room || document.hidden || !log.follows(model.room)) return;
  const position = model.readAll(model.room);
  if (position !== null) connection.read(model.current, position);
}

// Who stopped typing says nothing.
setInterval(() => renderTyping(model, performance.now()), 1000);
