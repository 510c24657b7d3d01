/** The socket: keeps the model up to date, and brings what the user does to the gateway. */

import { io } from "./vendor/socket.io.js";
import { shielded } from "./shield.js";
import { reason, words } from "./words.js";

const ANSWER = 12_000; // milliseconds to wait for an answer: a little more than the gateway does
const WELCOME = 20_000;
const AGAIN = 1_000;
const PATIENT = 5; // times to wait where the gateway says that we are too fast
const PAGE = 50;
const MISSED = 200;

// Codes with which a gateway refuses a connection, or ends it.
const NOBODY = "log-in.needed";
const SOMEBODY_ELSE = "socket.other-user";
const CROWDED = "socket.too-many";
const OVER = "session.over";

/** The gateway said no. */
class Refused extends Error {}

/** The connection was given up by its user meanwhile: nobody waits for the answer. */
export class Closed extends Error {}

export class Connection {
  #socket;
  #model;
  #tell;
  #catchingUp = new Set();
  #overdue;
  #queue = []; // messages to deliver, one after the other
  #delivering = false;
  #closed = false;
  #began = 0; // when this page was opened, by the chat's clock, in milliseconds since 1970

  /**
   * @param gateway where it is; "" for where the page comes from.
   * @param model what to keep up to date.
   * @param tell functions to call: `changed`, `welcomed`, `notified`, `invited`, `empowered`;
   *   `refused` with a reason and, where it is about one, a room; `expired` with a reason, or none
   *   if the session is over; `replaced` if it is another user's by now.
   */
  constructor(gateway, model, tell) {
    this.#model = model;
    this.#tell = tell;
    this.#socket = io(gateway || location.origin, {
      path: gateway ? "/socket.io/" : new URL("socket.io/", document.baseURI).pathname,
      // What this page sends is its own user's, whoever has logged in elsewhere in this browser.
      auth: (give) => give({ user: model.user, positions: model.positions }),
      transports: transports(),
      tryAllTransports: true,
      withCredentials: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 5000,
    });
    this.#listen();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#overdue);
    this.#queue = [];
    this.#socket.off();
    this.#socket.close();
  }

  // ---- what the user does ----

  send(room, text, reply_to) {
    this.#deliver(room, this.#model.write(room, this.#clientId(), text, Date.now() / 1000, reply_to));
    this.#tell.changed();
  }

  /** It tells when it was made, by the chat's clock: then the chat need not look for it in its log. */
  #clientId() {
    const time = Math.floor(this.#began + performance.now());
    return `t${time.toString(16).padStart(12, "0")}-${newId().slice(0, 20)}`;
  }

  retry(room, message) {
    this.#deliver(room, Object.assign(message, { state: "sending", reason: "" }));
    this.#tell.changed();
  }

  /** Ask for something to be done: `join`, `create`, `react` and so on; gives the answer. */
  do = (action, data) => this.#ask(action, data);

  /** Worth no error: the next one carries the same news. */
  read = (room, position) => this.#socket.volatile.emit("read", { room, position });
  typing = (room) => this.#socket.volatile.emit("typing", { room });

  /** Bring the page before what is there. */
  async lookBack(room, limit = PAGE) {
    const before = room.log.first;
    const page = await this.#ask("history", { room: room.id, before, limit });
    if (room.log.first === before) this.#model.lookedBack(room.id, page);
    this.#tell.changed();
  }

  // ---- what the gateway says ----

  #listen() {
    const socket = this.#socket;
    const model = this.#model;
    const hear = (event, act) => socket.on(event, (data) => {
      shielded(act, data);
      this.#tell.changed();
    });
    socket.on("connect", () => this.#await());
    socket.on("disconnect", () => this.#lost());
    socket.on("connect_error", (error) => this.#lost(error));
    hear("welcome", (welcome) => this.#welcomed(welcome));
    hear("entries", ({ room, entries, more }) => {
      if (entries.some(({ type }) => type === "room.deleted")) {
        const title = model.titleOf(room);
        model.deleted(room);
        return this.#tell.deleted(title);
      }
      if (model.arrived(room, entries) || more) this.#catchUp(room);
    });
    hear("created", (entry) => model.created(entry));
    hear("deleted", ({ room }) => model.deleted(room));
    hear("room", (summary) => model.summarised(summary));
    hear("invited", (invitation) => {
      model.invited(invitation);
      this.#tell.invited(invitation);
    });
    hear("presence", (changes) => model.presence(changes));
    hear("typing", (typing) => model.isTyping(typing, performance.now()));
    hear("read", (read) => model.wasRead(read));
    hear("notified", (notification) => {
      model.wasNotified(notification);
      this.#tell.notified(notification);
    });
    hear("rejected", ({ room, client_id, ...refusal }) => {
      if (client_id) model.failed(room, client_id, reason(refusal));
      else this.#tell.refused(reason(refusal), room);
    });
    hear("resync", () => model.joined.forEach((room) => this.#catchUp(room.id)));
    hear("role", ({ role }) => {
      model.role = role;
      this.#tell.empowered();
    });
    socket.on("signed-out", (end) => this.#tell.expired(end.code === OVER ? "" : reason(end)));
  }

  /** Connected; but only the welcome says that the gateway is ready for us. */
  #await() {
    this.#socket.io.engine.once("upgrade", this.#tell.changed);
    clearTimeout(this.#overdue);
    this.#overdue = setTimeout(() => this.#socket.disconnect().connect(), WELCOME);
  }

  #welcomed(welcome) {
    clearTimeout(this.#overdue);
    if (welcome.user !== this.#model.user) return this.#tell.replaced();
    this.#began = welcome.now * 1000 - performance.now();
    this.#model.status = "online";
    this.#model.welcome(welcome);
    this.#queue = this.#model.unsettled;
    this.#deliverAll();
    this.#tell.welcomed();
  }

  #lost(error) {
    clearTimeout(this.#overdue);
    const code = error?.data?.code;
    if (code === NOBODY) return this.#tell.expired();
    if (code === SOMEBODY_ELSE) return this.#tell.replaced();
    if (code === CROWDED) this.#model.status = "crowded";
    else if (this.#model.status !== "connecting") this.#model.status = "away";
    // After a refusal by the gateway the client does not try again by itself.
    if (!this.#socket.active) setTimeout(() => this.#closed || this.#socket.connect(), AGAIN);
    this.#tell.changed();
  }

  /** Ask for what follows the last position, until nothing is missing. */
  async #catchUp(id) {
    if (this.#catchingUp.has(id)) return;
    this.#catchingUp.add(id);
    const { log } = this.#model.find(id);
    try {
      for (let more = true; more || log.gap; ) {
        const furthest = log.furthest;
        const page = await this.#ask("history", { room: id, after: log.last, limit: MISSED });
        this.#model.caughtUp(id, page, furthest);
        more = page.more;
      }
    } catch (error) {
      // Without a connection the next welcome starts it again.
      const again = !(error instanceof Refused && !error.retry) && this.#socket.connected;
      if (again) setTimeout(() => this.#catchUp(id), AGAIN);
    } finally {
      this.#catchingUp.delete(id);
    }
    this.#tell.changed();
  }

  #deliver(room, message) {
    if (this.#model.status !== "online") return; // the welcome sends it
    this.#queue.push({ room, message });
    this.#deliverAll();
  }

  /** One after the other: what must wait does not let those behind it by. */
  async #deliverAll() {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      while (this.#queue.length && this.#socket.connected) {
        const { room, message } = this.#queue[0];
        await this.#bring(room, message);
        if (this.#queue[0]?.message === message) this.#queue.shift(); // else a welcome was between
      }
    } finally {
      this.#delivering = false;
    }
  }

  async #bring(room, message) {
    const { client_id, text, reply_to = 0 } = message;
    try {
      await this.#ask("message", { room: room.id, client_id, text, reply_to });
      if (message.state === "sending") message.state = "sent";
    } catch (error) {
      // The same client id makes it harmless to send again what did arrive.
      if (this.#socket.connected) this.#model.failed(room.id, client_id, error.message);
    }
    this.#tell.changed();
  }

  /** Ask, and ask again after the time that the gateway names, where that is all there is to it. */
  async #ask(event, data) {
    for (let times = 0; ; times++) {
      const answer = await this.#askOnce(event, data);
      if (!answer.error) return answer;
      if (!answer.wait || times === PATIENT) {
        throw Object.assign(new Refused(reason(answer)), { retry: answer.retry });
      }
      await new Promise((resolve) => setTimeout(resolve, answer.wait * 1000));
    }
  }

  #askOnce(event, data) {
    return this.#socket.timeout(ANSWER).emitWithAck(event, data).catch(() => {
      throw this.#closed ? new Closed() : new Error(words.noAnswer);
    });
  }

  /** The name of the transport in use. */
  get transport() {
    return this.#socket.io.engine?.transport.name ?? "";
  }
}

/** Websocket first, unless the page's address asks otherwise: `?transports=polling,websocket`. */
function transports() {
  const wanted = new URLSearchParams(location.search).get("transports");
  return wanted?.split(",") ?? ["websocket", "polling"];
}

/** `crypto.randomUUID` is missing on plain http, unless the host is local. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
