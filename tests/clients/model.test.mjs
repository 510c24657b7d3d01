/** The page's model, without a browser: `node --test`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Excerpt, MOST, SHOWN } from "../../nochat/services/web/static/excerpt.js";
import { comingsOf, linesOf } from "../../nochat/services/web/static/lines.js";
import { Model } from "../../nochat/services/web/static/model.js";
import { gathered, hasReacted, react } from "../../nochat/services/web/static/reactions.js";
import { RoomLog } from "../../nochat/services/web/static/roomlog.js";
import { shielded } from "../../nochat/services/web/static/shield.js";
import { foundPieces, idBeside, idOf, nameBegun, pieces, privateId } from "../../nochat/services/web/static/text.js";
import { formats } from "../../nochat/services/web/static/words/format.js";

const said = (position, sender = "bob", client_id = `c${position}`) =>
  ({ type: "message.sent", position, sender, client_id, text: `text ${position}`, at: 1e9 + position });
const page = (positions, more = false) => ({ entries: positions.map((each) => said(each)), more });
const positions = (log) => log.entries.map(({ position }) => position);
const summary = (given) =>
  ({ room: "lobby", title: "Lobby", kind: "public", owner: "", members: ["ana"], muted: [],
    banned: [], invited: false, position: 4, read: 4, unread: 0, mentions: 0, ...given });

const reacted = (room, position) =>
  [...room.log.at(position).reactions.values()].map(({ emoji, users }) => [emoji, users]);

function welcomed(given) {
  const model = new Model();
  model.welcome({ user: "ana", rooms: [summary(given)], online: ["ana"] });
  return { model, room: model.find("lobby") };
}

test("what arrives twice or out of order is there once and in order", () => {
  const log = new RoomLog();
  log.start(4);
  log.add([said(5), said(5)]);
  log.add([said(8), said(7)]);
  assert.deepEqual(positions(log), [5]);
  assert.ok(log.gap);
  assert.equal(log.furthest, 8);
  log.add([said(6), said(4)]);
  assert.deepEqual(positions(log), [5, 6, 7, 8]);
  assert.ok(!log.gap);
});

test("a page fills a gap; positions that it lacks are waited for no more", () => {
  const log = new RoomLog();
  log.start(4);
  log.add([said(9)]);
  log.follow(page([5, 7], true), 9);
  assert.deepEqual(positions(log), [5, 7]);
  log.add([said(12)]); // came after the next page was asked for
  log.follow(page([]), 9);
  assert.deepEqual(positions(log), [5, 7, 9]);
  assert.ok(log.gap);
  log.follow(page([10, 12]), 12);
  assert.deepEqual(positions(log), [5, 7, 9, 10, 12]);
  assert.ok(!log.gap);
});

test("earlier pages come in front, until there are none", () => {
  const log = new RoomLog();
  log.start(4);
  log.add([said(5)]);
  log.precede(page([3, 4], true));
  assert.ok(!log.complete);
  log.precede(page([1, 2]));
  assert.deepEqual(positions(log), [1, 2, 3, 4, 5]);
  assert.ok(log.complete);
});

test("only new messages of others are counted, and a reading elsewhere counts", () => {
  const { model, room } = welcomed({ position: 6, unread: 2 });
  model.arrived("lobby", [said(7), said(8, "ana"), said(8, "ana")]);
  assert.equal(room.unread, 3);
  model.wasRead({ room: "lobby", position: 8 });
  assert.equal(room.unread, 0);
  model.arrived("lobby", [said(9)]);
  assert.equal(model.readAll(room), 9);
  assert.equal(model.readAll(room), null);
});

test("what was missed is not counted again after a welcome that counted it", () => {
  const { model, room } = welcomed({});
  model.welcome({ user: "ana", rooms: [summary({ position: 6, unread: 2 })], online: [] });
  model.arrived("lobby", [said(5), said(6)]);
  assert.equal(room.unread, 2);
});

test("our own message keeps its line from sending to its place", () => {
  const { model, room } = welcomed({});
  const message = model.write(room, "mine", "hello", 1e9);
  const shown = () => [...room.log.entries, ...room.outgoing.values()];
  const line = () => linesOf(shown(), null, "ana").find(({ kind }) => kind === "message");
  const { key } = line();
  assert.equal(line().state, "sending");
  model.failed("lobby", "mine", "no");
  assert.deepEqual([line().state, line().entry.reason, model.unsettled.length], ["failed", "no", 0]);
  message.state = "sending";
  assert.equal(model.unsettled.length, 1);
  model.arrived("lobby", [said(5, "ana", "mine")]);
  assert.deepEqual([line().key, line().state, room.outgoing.size], [key, "sent", 0]);
});

test("a room that was entered is known by its summary, and newer entries still count", () => {
  const { model } = welcomed({});
  const den = model.find("den");
  const told = (position, type, more) => ({ type, position, user: "ana", at: 1, ...more });
  const ban = { member: "eve", action: "ban" };
  model.arrived("den", [told(7, "room.joined"), said(8), told(9, "room.joined", { user: "bob" })]);
  model.arrived("den", [told(10, "member.moderated", ban), said(11), told(12, "reaction.changed", { target: 8, emoji: "👍", on: true })]);
  const older = { room: "den", title: "Den", kind: "private", owner: "zoe", muted: ["kim"], invited: true,
    members: ["zoe", "kim", "eve"], banned: ["mel"], position: 6, read: 0, unread: 3, mentions: 1 };
  model.summarised(summary(older));
  assert.deepEqual([den.title, den.kind, den.owner], ["Den", "private", "zoe"]);
  assert.deepEqual([den.member, den.invited], [true, false]);
  assert.deepEqual([[...den.members], [...den.muted]], [["zoe", "kim", "ana", "bob"], ["kim"]]);
  assert.deepEqual([...den.banned], ["mel", "eve"]);
  assert.deepEqual([den.unread, den.mentions], [5, 1]);
  model.summarised(summary({ ...older, members: ["ana"], position: 12, unread: 5 }));
  assert.deepEqual([[...den.members], den.unread], [["ana"], 5]);
  assert.deepEqual([positions(den.log), reacted(den, 8)], [[7, 8, 9, 10, 11], [["👍", ["ana"]]]]);
});

test("what was read here is not unread by a summary that does not know of it yet", () => {
  const { model, room } = welcomed({});
  model.arrived("lobby", [said(5), said(6)]);
  model.readAll(room);
  model.summarised(summary({ position: 6, unread: 2, mentions: 1 }));
  assert.deepEqual([room.read, room.unread, room.mentions], [6, 0, 0]);
  model.arrived("lobby", [said(7)]);
  model.summarised(summary({ position: 5, unread: 1 }));
  assert.deepEqual([room.read, room.unread], [6, 1]);
});

test("a room that was left meanwhile is not entered by an older summary", () => {
  const { model, room } = welcomed({});
  model.arrived("lobby", [{ type: "room.left", position: 5, user: "ana", at: 1 }]);
  model.summarised(summary({}));
  assert.ok(!room.member);
});

test("a new public room is there to be joined, and its log begins where we come in", () => {
  const { model } = welcomed({});
  model.created({ type: "room.created", room: "den", position: 1, user: "bob", title: "Den", kind: "public", at: 1 });
  const den = model.find("den");
  assert.deepEqual([den.title, den.kind, den.owner, den.member, den.log.last], ["Den", "public", "bob", false, null]);
  model.arrived("den", [{ type: "room.joined", position: 9, user: "ana", at: 1 }]);
  assert.deepEqual([den.member, den.log.gap, den.log.first, den.log.complete], [true, false, 9, false]);
});

test("membership follows the log, and only joined rooms have positions", () => {
  const { model, room } = welcomed({ members: [] });
  assert.deepEqual(model.positions, {});
  const join = { type: "room.joined", position: 5, user: "ana", at: 1e9 };
  model.arrived("lobby", [join]);
  assert.ok(room.member);
  assert.deepEqual(model.positions, { lobby: 5 });
  model.lookedBack("lobby", { entries: [{ ...join, position: 4, user: "bob" }], more: false });
  assert.deepEqual([...room.members], ["ana"]); // what is older than the summary, it knows
  model.arrived("lobby", [{ ...join, type: "room.left", position: 6 }]);
  assert.ok(!room.member);
});

test("names are found as the chat finds them", () => {
  const users = (text) => pieces(text).filter(({ user }) => user).map(({ user }) => user);
  assert.deepEqual(users("@ana, and @zoé.m."), ["ana", "zoé.m"]);
  assert.deepEqual(users("mail me@example.org or @@x"), []);
  assert.equal(pieces("hi @ana!").map(({ text }) => text).join(""), "hi @ana!");
});

test("a message shows what became of it, however often and in which order it is told", () => {
  const { model, room } = welcomed({});
  const changes = [
    { type: "reaction.changed", position: 6, user: "ana", target: 5, emoji: "👍", on: true, at: 1 },
    { type: "reaction.changed", position: 7, user: "bob", target: 5, emoji: "👍", on: true, at: 1 },
    { type: "message.edited", position: 8, user: "bob", target: 5, text: "better", at: 2 },
    { type: "reaction.changed", position: 9, user: "ana", target: 5, emoji: "👍", on: false, at: 3 },
  ];
  model.arrived("lobby", [...changes.toReversed(), said(5)]);
  const { text, edited } = room.log.at(5);
  assert.deepEqual([text, edited, reacted(room, 5)], ["better", 2, [["👍", ["bob"]]]]);
  assert.deepEqual([room.log.entries.length, room.log.last], [1, 9]);
  model.lookedBack("lobby", page([3, 4])); // tells the changes again
  assert.deepEqual(reacted(room, 5), [["👍", ["bob"]]]);
  model.arrived("lobby", [{ type: "message.deleted", position: 10, user: "bob", target: 5, at: 4 }]);
  model.arrived("lobby", [{ ...changes[2], position: 11 }]);
  assert.deepEqual([room.log.at(5).deleted, room.log.at(5).text], [true, ""]);
});

test("a change that came before its message's page is not lost", () => {
  const { model, room } = welcomed({});
  model.arrived("lobby", [{ type: "message.edited", position: 5, user: "bob", target: 2, text: "new", at: 1 }]);
  model.lookedBack("lobby", page([1, 2, 3])); // was on its way already
  assert.equal(room.log.at(2).text, "new");
});

test("who is muted, removed and banned follows the log", () => {
  const { model, room } = welcomed({ members: ["ana", "bob", "eve"] });
  const moderated = (position, member, action) =>
    ({ type: "member.moderated", position, user: "ana", member, action, at: 1 });
  model.arrived("lobby", [moderated(5, "bob", "mute"), moderated(6, "eve", "ban")]);
  assert.deepEqual([...room.muted], ["bob"]);
  assert.deepEqual([[...room.members], [...room.banned]], [["ana", "bob"], ["eve"]]);
  model.arrived("lobby", [moderated(7, "bob", "unmute"), moderated(8, "ana", "kick")]);
  assert.deepEqual([room.muted.size, room.member], [0, false]);
});

test("a room that a welcome does not name any more is not ours", () => {
  const { model, room } = welcomed({});
  model.welcome({ user: "ana", role: "user", rooms: [], online: [] });
  assert.ok(!room.member);
});

test("an invitation is there until it is taken or turned down", () => {
  const { model } = welcomed({});
  model.invited({ room: "den", title: "Den", user: "bob", invitee: "ana" });
  const den = model.find("den");
  assert.deepEqual([den.invited, den.kind, den.inviter, den.member], [true, "private", "bob", false]);
  model.arrived("den", [{ type: "room.created", position: 1, user: "bob", title: "Den", kind: "private", at: 1 }]);
  model.arrived("den", [{ type: "room.joined", position: 2, user: "ana", at: 1 }]);
  assert.deepEqual([den.invited, den.member, den.owner], [false, true, "bob"]);
  model.invited({ room: "attic", title: "Attic", user: "bob", invitee: "ana" });
  model.declined("attic");
  assert.ok(!model.find("attic").invited);
});

test("a direct room is called as the other one is", () => {
  const { model } = welcomed({ room: "dm-1", kind: "direct", members: ["ana", "bob"] });
  assert.equal(model.titleOf("dm-1"), "bob");
  assert.equal(model.directWith("bob").id, "dm-1");
});

test("what was unread is behind a line", () => {
  const { room, model } = welcomed({});
  model.arrived("lobby", [said(5), said(6, "ana"), said(7)]);
  const kinds = (seam) => linesOf(room.log.entries, seam, "ana").map(({ kind }) => kind);
  assert.deepEqual(kinds(5), ["day", "message", "message", "seam", "message"]);
  assert.deepEqual(kinds(7), ["day", "message", "message", "message"]);
});

test("days follow the order of the log, and every line has a key of its own", () => {
  const day = 86_400;
  const dated = (position, days, more) => ({ ...said(position), at: 1e9 + days * day, ...more });
  // A sender, and a client id, that look like a day's or the line's before what is new.
  const sly = { sender: "day", client_id: new Date(1e12).toDateString() };
  const lines = linesOf([dated(1, 0), dated(2, -1), dated(3, 0), dated(4, 0, sly), dated(5, -1)], null, "ana");
  const kinds = lines.map(({ kind }) => kind).join(" ");
  assert.equal(kinds, "day message day message day message message day message");
  assert.equal(new Set(lines.map(({ key }) => key)).size, lines.length);
});

test("who comes and goes with nothing said between is one line, whose key stays", () => {
  const came = (position, user, type = "room.joined") => ({ type, position, user, at: 1e9 });
  const entries = [came(1, "ana"), came(2, "bob"), came(3, "ana", "room.left"), said(4), came(5, "ana"), came(6, "bob")];
  const lines = (last) => linesOf(entries.slice(0, last), null, "zoe").filter(({ kind }) => kind !== "day");
  assert.deepEqual(lines(6).map(({ kind }) => kind), ["comings", "message", "comings"]);
  assert.deepEqual(comingsOf(lines(6)[0].entries), { joined: ["bob", "ana"], left: ["ana"] });
  assert.equal(lines(1)[0].key, lines(3)[0].key);
  assert.deepEqual(linesOf([{ type: "of.tomorrow", position: 7, at: 1e9 }], null, "ana"), []);
});

test("a reaction may be called like anything, and has one form", () => {
  const told = JSON.parse('{"constructor":["ana"],"__proto__":["bob"],"❤":["ana"],"❤️":["ana","bob"]}');
  const reactions = gathered(told);
  const shown = () => [...reactions.values()].map(({ emoji, users }) => [emoji, users.join()]);
  assert.deepEqual(shown(), [["constructor", "ana"], ["__proto__", "bob"], ["❤️", "ana,bob"]]);
  assert.ok(hasReacted({ reactions }, "❤", "bob") && !hasReacted({ reactions }, "toString", "bob"));
  for (const emoji of ["toString", "__proto__", "❤"]) react(reactions, emoji, "bob", emoji !== "__proto__");
  react(reactions, "❤", "ana", false);
  assert.deepEqual(shown(), [["constructor", "ana"], ["❤️", "bob"], ["toString", "bob"]]);
});

test("what fails alone is told, and the rest goes on", (context) => {
  const told = context.mock.method(console, "error", () => {});
  const { model, room } = welcomed({});
  room.typing = null; // whatever it may be that breaks
  model.arrived("lobby", [said(5)]);
  assert.deepEqual([positions(room.log), told.mock.callCount()], [[5], 1]);
  assert.equal(shielded((one, two) => one + two, 1, 2), 3);
});

test("a part of a long log is shown, and it moves", () => {
  const log = new RoomLog();
  log.start(0);
  log.add(Array.from({ length: 2000 }, (_, index) => said(index + 1)));
  const excerpt = new Excerpt();
  const range = () => {
    const { entries, ends } = excerpt.of(log);
    return [entries[0].position, entries.length, ends];
  };
  assert.deepEqual(range(), [2000 - SHOWN + 1, SHOWN, true]);
  for (let times = 0; times < 4; times++) excerpt.up(log);
  assert.deepEqual([range()[1], range()[2]], [MOST, false]);
  excerpt.around(log, 700);
  const { entries } = excerpt.of(log);
  assert.ok(entries.some(({ position }) => position === 700));
  log.add([said(2001)]);
  assert.equal(excerpt.of(log).entries[0], entries[0]);
  excerpt.follow();
  assert.ok(range()[2]);
});

test("words that were searched are found as the chat finds them", () => {
  const found = (text, searched) => foundPieces(text, searched).filter((each) => each.found).map(({ text }) => text);
  assert.deepEqual(found("The café, the cafes", "the CAFE"), ["The", "café", "the", "cafes"]);
  assert.deepEqual(found("catalogue cat", "cat catal"), ["catalogue", "cat"]);
  assert.equal(foundPieces("a <b> c", "b").map(({ text }) => text).join(""), "a <b> c");
});

test("a name that is being written is completed", () => {
  assert.equal(nameBegun("hi @an"), "an");
  assert.equal(nameBegun("hi @"), "");
  assert.equal(nameBegun("me@ex"), undefined);
  assert.equal(nameBegun("hi @ana "), undefined);
});

test("a room's id comes from its title, or by chance", () => {
  assert.equal(idOf("Café & Té", "x"), "cafe-te");
  assert.equal(idOf("日本語", "1a2b"), "room-1a2b");
  assert.equal(idOf("DM: us", "1a2b"), "room-1a2b");
  assert.equal(idBeside("cafe-te", "1a2b3c4d"), "cafe-te-1a2b3c");
  assert.equal(idBeside("x".repeat(40), "1a2b3c4d").length, 40);
  assert.equal(privateId("cafe-te", "0123456789abcdef0123"), "cafe-te-0123456789abcdef");
  assert.equal(privateId("x".repeat(40), "0123456789abcdef0123").length, 40);
});

test("what was written first is sent first, also by a clock that was set back", () => {
  const { model, room } = welcomed({});
  model.write(room, "a", "before", 5000);
  model.write(room, "b", "after", 1400);
  assert.deepEqual(model.unsettled.map(({ message }) => message.text), ["before", "after"]);
});

test("what another page has read of the unread is unread no more, and the rest still is", () => {
  const { model, room } = welcomed({});
  model.arrived("lobby", [said(5), said(6), said(7, "ana"), said(8), said(9)]);
  model.wasNotified({ room: "lobby", position: 5, reason: "mention" });
  model.wasNotified({ room: "lobby", position: 6, reason: "mention" });
  model.wasNotified({ room: "lobby", position: 9, reason: "mention" });
  model.wasRead({ room: "lobby", position: 8 });
  assert.deepEqual([room.unread, room.mentions], [1, 1]);
  model.wasRead({ room: "lobby", position: 9 });
  assert.deepEqual([room.unread, room.mentions], [0, 0]);
});

test("what was read elsewhere of a log that is not all here leaves the count as it is", () => {
  const { model, room } = welcomed({ position: 9, read: 4, unread: 5 });
  model.arrived("lobby", [said(10)]);
  model.wasRead({ room: "lobby", position: 6 });
  assert.equal(room.unread, 6);
});

test("a message that is deleted before it is read is not unread", () => {
  const { model, room } = welcomed({});
  const deletion = (position, target) => ({ type: "message.deleted", position, target, sender: "bob", at: 1e9 });
  model.arrived("lobby", [said(5), said(6), deletion(7, 6), said(8)]);
  assert.equal(room.unread, 2);
  model.readAll(room);
  model.arrived("lobby", [deletion(9, 8), said(10)]);
  assert.equal(room.unread, 1);
});

test("each day has one line, in every time zone and when the clocks change", () => {
  const hours = Array.from({ length: 366 * 24 }, (_, hour) =>
    ({ ...said(hour + 1), at: Date.UTC(2011, 6, 1) / 1000 + hour * 3600 }));
  // One that changes at midnight, one that once left a day out, one a quarter of an hour off.
  for (const zone of ["America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu"]) {
    process.env.TZ = zone;
    const days = linesOf(hours, null, "ana").filter(({ kind }) => kind === "day");
    const shown = days.map(({ date }) => formats("en").day(date));
    assert.equal(new Set(shown).size, days.length, zone);
    assert.equal(days.length, 367, zone);
  }
});

test("times are those of where the reader is now", () => {
  const at = new Date(Date.UTC(2026, 0, 10, 23, 30));
  const { day } = formats("en");
  process.env.TZ = "Europe/Madrid";
  assert.match(day(at), /11/);
  process.env.TZ = "America/New_York";
  assert.match(day(at), /10/);
});

const GONE = "~deleted-0123456789abcdef";
const erasure = (position, user = "bob") =>
  ({ type: "user.erased", position, user, deleted_as: GONE, at: 1e9 });

test("whose account is deleted has no name in what is here, and in what comes later of before", () => {
  const { model, room } = welcomed({ members: ["ana", "bob"], owner: "bob" });
  model.arrived("lobby", [said(5), { ...said(6, "ana"), reactions: { "👍": ["bob", "ana"] } }]);
  const [before] = linesOf(room.log.entries, null, "ana").filter(({ kind }) => kind === "message");
  model.arrived("lobby", [erasure(7)]);
  const [after] = linesOf(room.log.entries, null, "ana").filter(({ kind }) => kind === "message");
  assert.equal(room.log.at(5).sender, GONE);
  assert.equal(after.key, before.key); // its line is not made again, and not read out
  assert.deepEqual(reacted(room, 6), [["👍", ["ana"]]]);
  assert.deepEqual([[...room.members], room.owner], [["ana"], ""]);
  model.lookedBack("lobby", page([3, 4]));
  assert.deepEqual(room.log.entries.map(({ sender }) => sender), [GONE, GONE, GONE, "ana"]);
});

test("who was away when an account was deleted asks for the log again", () => {
  const { model, room } = welcomed();
  model.arrived("lobby", [said(5), said(6)]);
  model.arrived("lobby", [erasure(7, GONE), said(8)]);
  assert.deepEqual(positions(room.log), [8]);
  assert.deepEqual([room.stale, room.log.complete, room.log.first], [true, false, 8]);
  model.lookedBack("lobby", { entries: [said(5, GONE), said(6, GONE)], more: false });
  assert.deepEqual(positions(room.log), [5, 6, 8]);
});

test("nobody writes to whose account is deleted", () => {
  const { model, room } = welcomed({ kind: "direct", members: ["ana", "bob"] });
  assert.ok(room.mayWrite("ana"));
  model.arrived("lobby", [erasure(5)]);
  assert.deepEqual([room.isOver, room.mayWrite("ana"), room.peerOf("ana")], [true, false, GONE]);
});
