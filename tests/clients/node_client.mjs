/**
 * Two users with the official socket.io client: register by REST, chat, come back.
 *
 *   node node_client.mjs URL TRANSPORTS     e.g. polling,websocket
 */

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// Installed where the tests are started, the checkout.
const { io } = createRequire(`${process.cwd()}/`)("socket.io-client");

const [url, wanted] = process.argv.slice(2);
const transports = wanted.split(",");
const run = Date.now().toString(36);
const room = `node-${run}`;

async function register(user) {
  const answer = await fetch(`${url}/api/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user, password: "a good password" }),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  const cookie = answer.headers.getSetCookie()[0].split(";")[0];
  const { gateway } = await (await fetch(`${url}/api/me`, { headers: { cookie } })).json();
  return { user, cookie, gateway: gateway || url };
}

/** Connect; gives the socket, what it heard, and a way to wait for more. */
async function connect({ cookie, gateway }, positions = {}) {
  const socket = io(gateway, {
    transports,
    auth: { positions },
    extraHeaders: { cookie },
    forceNew: true,
    reconnection: false,
  });
  const heard = [];
  const waiting = new Set();
  socket.onAny((event, data) => {
    heard.push({ event, data });
    for (const look of waiting) look();
  });
  const until = (condition) => new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`not within 10 s: ${condition}`)), 10_000);
    const look = () => {
      if (!condition()) return;
      clearTimeout(late);
      waiting.delete(look);
      resolve();
    };
    waiting.add(look);
    look();
  });
  const entries = () => heard.filter(({ event }) => event === "entries").flatMap(({ data }) => data.entries);
  const ask = (event, data) => socket.timeout(10_000).emitWithAck(event, data);
  const upgraded = new Promise((resolve) => {
    socket.io.engine?.transport.name === transports.at(-1) ? resolve() : socket.io.engine.once("upgrade", resolve);
  });
  await until(() => heard.some(({ event }) => event === "welcome"));
  if (transports.length > 1) await upgraded;
  assert.equal(socket.io.engine.transport.name, transports.at(-1));
  return { socket, heard, entries, until, ask };
}

const accounts = await Promise.all([register(`na-${run}`), register(`nb-${run}`)]);
const [ana, bob] = await Promise.all(accounts.map((account) => connect(account)));
const joined = (who, account) => who.until(() =>
  who.entries().some(({ type, user }) => type === "room.joined" && user === account.user));

assert.deepEqual(await ana.ask("create", { room, title: "Node" }), {});
await joined(ana, accounts[0]);
assert.deepEqual(await bob.ask("join", { room }), {});
await joined(bob, accounts[1]);

// Acknowledged, stored once though sent twice, and in one order for both.
const say = (who, client_id, text) => who.ask("message", { room, client_id, text });
assert.deepEqual(await say(ana, "1", "one"), {});
assert.deepEqual(await say(ana, "1", "one"), {});
await bob.until(() => bob.entries().some(({ text }) => text === "one"));
await Promise.all(Array.from({ length: 20 }, (_, i) => say(i % 2 ? ana : bob, `x${i}`, `text ${i}`)));
const messages = (who) => who.entries().filter(({ type }) => type === "message.sent");
for (const who of [ana, bob]) await who.until(() => messages(who).length === 21);
assert.deepEqual(messages(ana), messages(bob));
const positions = ana.entries().map(({ position }) => position);
assert.deepEqual(positions, positions.map((_, index) => positions[0] + index));

// Refused, with a reason that a person can read, and not for a retry.
const tooLong = await say(ana, "long", "x".repeat(4001));
assert.match(tooLong.error, /4000/);
assert.match(tooLong.error, /at most 4000 characters/);
assert.equal(tooLong.retry, false);
assert.deepEqual(await say(ana, "just", "x".repeat(4000)), {});
for (const malformed of [null, "hello", { room }, { room, client_id: 5, text: "x" }]) {
  const refused = await ana.ask("message", malformed);
  assert.match(refused.error, /Expected|missing/);
  assert.equal(refused.retry, false);
}

// Who comes back gets what followed the position it had, and nothing twice.
await ana.until(() => messages(ana).length === 22);
const last = Math.max(...ana.entries().map(({ position }) => position));
ana.socket.disconnect();
for (const number of [1, 2, 3]) assert.deepEqual(await say(bob, `away ${number}`, `away ${number}`), {});
await bob.until(() => messages(bob).length === 25);
const again = await connect(accounts[0], { [room]: last });
await again.until(() => messages(again).length >= 3);
assert.deepEqual(messages(again).map(({ text }) => text), ["away 1", "away 2", "away 3"]);

// Nobody gets in without a session.
const stranger = io(accounts[0].gateway, { transports, forceNew: true, reconnection: false });
const refusal = await new Promise((resolve) => stranger.once("connect_error", resolve));
assert.deepEqual([refusal.message, refusal.data.code], ["log in first", "log-in.needed"]);

console.log("ok");
// python-engineio answers the last poll of a client that disconnected only when it times out.
process.exit(0);
