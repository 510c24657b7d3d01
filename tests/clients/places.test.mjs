/** Addresses of rooms and messages, drafts, and answers: what needs no browser. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { addressOf, addressOfLink, fragmentOf, placeOf } from "../../nochat/services/web/static/address.js";
import * as drafts from "../../nochat/services/web/static/drafts.js";
import { Model } from "../../nochat/services/web/static/model.js";
import { Originals } from "../../nochat/services/web/static/originals.js";

/** What a browser keeps, in memory. */
class Storage {
  #held = new Map();
  get length() { return this.#held.size; }
  key = (index) => [...this.#held.keys()][index];
  getItem = (name) => this.#held.get(name) ?? null;
  setItem = (name, value) => this.#held.set(name, `${value}`);
  removeItem = (name) => this.#held.delete(name);
}

beforeEach(() => (globalThis.localStorage = new Storage()));
globalThis.location = new URL("http://chat.example/here/?transports=polling");

test("a room and a message have an address, and nothing else has", () => {
  assert.deepEqual(placeOf("#/room/general/42"), { room: "general", position: 42 });
  assert.deepEqual(placeOf("#/room/general"), { room: "general", position: 0 });
  for (const [room, position] of [["general", 42], ["a-b-1", 0]]) {
    assert.deepEqual(placeOf(fragmentOf(room, position)), { room, position });
  }
  for (const none of ["", "#", "#general", "#/room/", "#/room/A", "#/room/a/0", "#/room/a/x", "#/room/a/1/2",
    "#/room/a b", `#/room/${"a".repeat(41)}`, `#/room/a/${"9".repeat(30)}`, "#/room/__proto__", "#/room/a\n"]) {
    assert.equal(placeOf(none), undefined, none);
  }
});

test("a link into this chat is one to its own page, and to a place", () => {
  assert.equal(addressOf("general", 42), "http://chat.example/here/#/room/general/42");
  assert.equal(addressOfLink("http://chat.example/here/#/room/general/42"), "#/room/general/42");
  for (const other of ["http://chat.example/here/", "http://chat.example/here/#x", "http://chat.example/#/room/a",
    "https://chat.example/here/#/room/a", "http://other.example/here/#/room/a"]) {
    assert.equal(addressOfLink(other), undefined, other);
  }
});

test("a draft is its user's in its room, and gone when it is empty", () => {
  drafts.keep("ana", "general", { text: "hello", reply_to: 4 });
  drafts.keep("ana.b", "general", { text: "another's", reply_to: 0 });
  drafts.keep("__proto__", "general", { text: "odd", reply_to: 0 });
  const { text, reply_to } = drafts.kept("ana", "general");
  assert.deepEqual([text, reply_to], ["hello", 4]);
  assert.equal(drafts.kept("ana", "lobby").text, "");
  assert.equal(drafts.kept("bea", "general").text, "");
  drafts.keep("ana", "general", { text: "", reply_to: 0 });
  assert.equal(localStorage.length, 2);
  drafts.forget("ana");
  assert.equal(drafts.kept("ana.b", "general").text, "another's");
  drafts.forget("ana.b");
  drafts.forget("__proto__");
  assert.equal(localStorage.length, 0);
});

test("drafts are bounded in number and length, and the oldest go", (context) => {
  context.mock.timers.enable({ apis: ["Date"] });
  localStorage.setItem("nochat.theme", "dark");
  for (let number = 0; number < 100; number++) {
    context.mock.timers.tick(1);
    drafts.keep("ana", `room-${number}`, { text: "x".repeat(50_000), reply_to: 0 });
  }
  assert.equal(localStorage.length, 61);
  assert.equal(drafts.kept("ana", "room-0").text, "");
  assert.equal(drafts.kept("ana", "room-99").text.length, 20_000);
});

test("what is no draft, and a storage that is not there, are none", () => {
  for (const value of ["{", "null", "[]", "1", '{"text": {}}', '{"text": 1}']) {
    localStorage.setItem("nochat.draft.general.ana", value);
    assert.equal(drafts.kept("ana", "general").text, "", value);
  }
  localStorage.setItem("nochat.draft.general.ana", '{"text": "a", "reply_to": "x", "at": "y"}');
  assert.deepEqual(drafts.kept("ana", "general"), { text: "a", reply_to: 0, at: 0 });
  delete globalThis.localStorage;
  drafts.keep("ana", "general", { text: "a", reply_to: 0 });
  assert.equal(drafts.kept("ana", "general").text, "");
});

test("an answered message that is not here is asked for once, and shows what becomes of it", async () => {
  const model = new Model();
  model.user = "ana";
  const room = model.find("general");
  room.log.start(9);
  const asked = [];
  const entries = [{ type: "message.sent", position: 3, sender: "bob", client_id: "c", text: "old", at: 1 }];
  let done;
  const originals = new Originals((page) => (asked.push(page), { entries }), () => done());
  assert.equal(room.original(3), undefined);
  const came = new Promise((resolve) => (done = resolve));
  originals.want(room, 3);
  originals.want(room, 3);
  await came;
  assert.deepEqual(asked, [{ room: "general", after: 2, limit: 1 }]);
  assert.equal(room.original(3).text, "old");
  model.arrived("general", [{ type: "message.edited", position: 10, user: "bob", target: 3, text: "new", at: 2 }]);
  assert.equal(room.original(3).text, "new");
  model.arrived("general", [{ type: "message.deleted", position: 11, user: "bob", target: 3, at: 3 }]);
  assert.deepEqual([room.original(3).text, room.original(3).deleted], ["", true]);
  const nothing = new Promise((resolve) => (done = resolve));
  originals.want(room, 4);
  await nothing;
  assert.equal(room.original(4), null);
});
