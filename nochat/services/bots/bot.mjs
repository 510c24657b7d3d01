/**
 * A microservice in another language: a bot that answers whoever mentions it, or writes to it.
 *
 * `nochat run bot` starts it, with the same settings as the services in Python.
 */

import { createServer } from "node:http";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { answer } from "./answers.mjs";
import { DURABLE, Link, envelope, newId } from "./wire.mjs";

const { NOCHAT_BUS_URL: url, NOCHAT_BOT_NAME: name, NOCHAT_LOG_LEVEL: level } = process.env;
const shards = Number(process.env.NOCHAT_SHARDS);
const patience = Number(process.env.NOCHAT_PATIENCE) * 1000;
const { NOCHAT_OPERATION_PORT: port, NOCHAT_OPERATION_HOST: host } = process.env;

const QUEUE = "bot";
const HEARD = ["user.notified", "user.invited"]; // an event's type is its routing key
const AT_ONCE = 50;
const LONGEST_PAUSE = 5_000;
const REPORT_EVERY = 2_000;

// ---- what it does -------------------------------------------------------------------------------

/** The commands that an event calls for. */
function react(event) {
  if (event.type === "user.invited" && event.invitee === name) {
    return [envelope("room.join", { room: event.room, user: name }, event)];
  }
  if (event.type === "user.notified" && event.user === name) {
    // Named after the message that it answers: however often it is sent, it is stored once.
    const client_id = `answer-${event.position}`;
    const said = { room: event.room, sender: name, client_id, text: answer(event, name) };
    return [envelope("message.send", said, event)];
  }
  return [];
}

/** Handle one message: acknowledged only when the broker has confirmed what came of it. */
async function handle(link, delivery) {
  let commands;
  try {
    const events = JSON.parse(delivery.content); // always an array
    for (const event of events) note("handled", event);
    commands = events.flatMap(react);
  } catch (error) {
    tally.failed += 1;
    log("error", `a message goes to the dead letters: ${error.message}`);
    return link.channel.nack(delivery, false, false);
  }
  await Promise.all(commands.map((each) => link.command(each, shards)));
  link.channel.ack(delivery);
}

/** Have an account, so that nobody else can take the name, and be in the lobby. */
async function arrive(link) {
  const account = { user: name, password: newId() }; // nobody will ever log in with it
  const told = await link.request("controller.passwords", envelope("user.register", account));
  // The account may be there from an earlier life.
  const failed = told.type === "failed" && told.code !== "name.taken";
  if (failed) throw new Error(told.reason);
  await link.command(envelope("room.join", { room: "lobby", user: name }), shards);
}

// ---- its life -----------------------------------------------------------------------------------

const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stopping.abort());
const stopped = new Promise((resolve) => stopping.signal.addEventListener("abort", resolve));

/** Serve until we are told to stop; that the connection breaks is an error. */
async function serve(ready) {
  const link = await Link.open(url, "bot", (message) => note("published", message));
  const working = new Set();
  const reporting = setInterval(() => link.event(report()).catch(() => {}), REPORT_EVERY);
  try {
    await link.channel.assertQueue(QUEUE, { durable: true, arguments: DURABLE });
    for (const type of HEARD) await link.channel.bindQueue(QUEUE, "nochat.events", type);
    await arrive(link);
    await link.channel.prefetch(AT_ONCE);
    const { consumerTag } = await link.channel.consume(QUEUE, (delivery) => {
      const work = handle(link, delivery)
        .catch(() => link.close()) // the broker will deliver it again
        .finally(() => working.delete(work));
      working.add(work);
    });
    serving = true;
    ready();
    await Promise.race([stopped, link.closed]);
    if (!stopping.signal.aborted) throw new Error("the connection to RabbitMQ is gone");
    await link.channel.cancel(consumerTag);
    await Promise.all(working);
  } finally {
    serving = false;
    clearInterval(reporting);
    await link.close();
  }
}

// ---- what it says of itself ---------------------------------------------------------------------

const me = { service: "bot", instance: newId().slice(0, 8), host: hostname(), pid: process.pid };
const since = Date.now() / 1000;
const tally = { handled: {}, published: {}, failed: 0 };
let serving = false;

/** Health, on a port that is not public: at the addresses where the services in Python have it. */
const health = createServer(({ url }, response) => {
  const readiness = { ready: serving, services: { bot: { ready: serving } } };
  const said = { "/healthz": { alive: true }, "/readyz": readiness }[url];
  const status = !said ? 404 : said.ready === false ? 503 : 200;
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(said ?? {}));
});
health.on("error", (error) => {
  console.error(`nochat: ${error.message} (see NOCHAT_OPERATION_HOST and NOCHAT_OPERATION_PORT)`);
  process.exit(2);
});

/** For the management page. */
function report() {
  const { user, system } = process.cpuUsage();
  const memory = process.memoryUsage.rss();
  return envelope("service.reported", { ...me, since, ...tally, memory, cpu: (user + system) / 1e6 });
}

function log(severity, message, fields) {
  const entry = { at: Date.now() / 1000, level: severity, logger: "nochat.bot", message };
  console.error(JSON.stringify({ ...entry, ...fields }));
}

/** Count a message, and write the line of the trace that the other services write too. */
function note(step, { type, id, correlation_id }) {
  tally[step][type] = (tally[step][type] ?? 0) + 1;
  if (level !== "debug") return;
  const fields = { service: "bot", step, type, event_id: id, correlation_id };
  log("debug", `${step} ${type}`, { logger: "nochat.trace", ...fields });
}

if (port) health.listen(Number(port), host.replace(/^\[|\]$/g, ""));
let started = false;
let pause = 100;
const giveUp = Date.now() + patience;
while (!stopping.signal.aborted) {
  try {
    await serve(() => {
      if (!started) console.log("bot: running");
      started = true;
      pause = 100;
    });
  } catch (error) {
    if (!started && Date.now() > giveUp) {
      console.error(`nochat: the bot can't start: ${error.message} (see NOCHAT_BUS_URL)`);
      process.exit(2);
    }
    log("warning", `waiting: ${error.message}`);
    await sleep(pause, null, { signal: stopping.signal }).catch(() => {});
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}
health.close();
