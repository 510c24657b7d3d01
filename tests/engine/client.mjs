// The official client against the server of the suite: node client.mjs URL TRANSPORTS

import assert from "node:assert/strict";
import { once } from "node:events";

import { io } from "socket.io-client";

const [url, transports] = process.argv.slice(2);
const options = { transports: transports.split(","), reconnection: false, auth: { a: 1 } };
const socket = io(url, options);
const custom = io(`${url}/custom`, options);

const [[auth], [customAuth]] = await Promise.all([once(socket, "auth"), once(custom, "auth")]);
assert.deepEqual([auth, customAuth], [{ a: 1 }, { a: 1 }]);

const { engine } = socket.io;
if (transports.includes(",") && engine.transport.name === "polling") await once(engine, "upgrade");
assert.equal(engine.transport.name, options.transports.at(-1));

const back = once(socket, "message-back");
socket.emit("message", "á", Buffer.from([1]), { b: [Buffer.from([2])] });
assert.deepEqual(await back, ["á", Buffer.from([1]), { b: [Buffer.from([2])] }]);
const answer = await new Promise((done) =>
  custom.emit("message-with-ack", 1, Buffer.from([3]), (...data) => done(data)),
);
assert.deepEqual(answer, [1, Buffer.from([3])]);

const refused = io(`${url}/random`, options);
const [error] = await once(refused, "connect_error");
assert.equal(error.message, "Invalid namespace");

custom.disconnect();
socket.disconnect();
refused.disconnect();
console.log("ok");
