/** The page's model, without a browser: `node --test`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { linesOf, pieces } from "../../nochat/static/lines.js";
import { Model } from "../../nochat/static/model.js";
import { RoomLog } from "../../nochat/static/roomlog.js";

const said = (position, sender = "bob", client_id = `c${position}`) =>
  ({ type: "message.sent", position, sender, client_id, text: `text ${position}`, at: 1e9 + position });
const page = (positions, more = false) => ({ entries: positions.map((each) => said(each)), more });
const positions = (log) => log.entries.map(({ position }) => position);
const summary = (given) =>
  ({ room: "lobby", title: "Lobby", members: ["ana"], position: 4, read: 4, unread: 0, mentions: 0, ...given });

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
  const line = () => linesOf(room).find(({ kind }) => kind === "message");
  const { key } = line();
  assert.equal(line().state, "sending");
  model.failed("lobby", "mine", "no");
  assert.deepEqual([line().state, line().reason, model.unsettled.length], ["failed", "no", 0]);
  message.state = "sending";
  assert.equal(model.unsettled.length, 1);
  model.arrived("lobby", [said(5, "ana", "mine")]);
  assert.deepEqual([line().key, line().state, room.outgoing.size], [key, "sent", 0]);
});

test("membership follows the log, and only joined rooms have positions", () => {
  const { model, room } = welcomed({ members: [] });
  assert.deepEqual(model.positions, {});
  const join = { type: "room.joined", position: 5, user: "ana", at: 1e9 };
  model.arrived("lobby", [join]);
  assert.ok(room.member);
  assert.deepEqual(model.positions, { lobby: 5 });
  model.lookedBack("lobby", { entries: [{ ...join, position: 4, user: "bob" }], more: false });
  assert.deepEqual([...room.members].sort(), ["ana", "bob"]);
  model.arrived("lobby", [{ ...join, type: "room.left", position: 6 }]);
  assert.ok(!room.member);
});

test("names are found as the chat finds them", () => {
  const users = (text) => pieces(text).filter(({ user }) => user).map(({ user }) => user);
  assert.deepEqual(users("@ana, and @zoé.m."), ["ana", "zoé.m"]);
  assert.deepEqual(users("mail me@example.org or @@x"), []);
  assert.equal(pieces("hi @ana!").map(({ text }) => text).join(""), "hi @ana!");
});
