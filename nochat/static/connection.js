/** The socket: keeps the model up to date, and brings what the user does to the gateway. */

import { io } from "./vendor/socket.io.js";
import { words } from "./words.js";

const ANSWER = 12_000; // milliseconds to wait for an answer: a little more than the gateway does
const WELCOME = 20_000;
const AGAIN = 1_000;
const PAGE = 50;
const MISSED = 200;

/** The gateway said no. */
class Refused extends Error {}

export class Connection {
  #socket;
  #model;
  #tell;
  #catchingUp = new Set();
  #overdue;

  /**
   * @param gateway where it is; "" for where the page comes from.
   * @param model what to keep up to date.
   * @param tell functions to call: `changed`, `welcomed`, `mentioned`, `refused`, `expired`.
   */
  constructor(gateway, model, tell) {
    this.#model = model;
    this.#tell = tell;
    this.#socket = io(gateway || location.origin, {
      path: gateway ? "/socket.io/" : new URL("socket.io/", document.baseURI).pathname,
      auth: (give) => give({ positions: model.positions }),
      transports: transports(),
      tryAllTransports: true,
      withCredentials: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 5000,
    });
    this.#listen();
  }

  close() {
    clearTimeout(this.#overdue);
    this.#socket.off();
    this.#socket.close();
  }

  // ---- what the user does ----

  send(room, text) {
    this.#deliver(room, this.#model.write(room, newId(), text, Date.now() / 1000));
    this.#tell.changed();
  }

  retry(room, message) {
    this.#deliver(room, Object.assign(message, { state: "sending", reason: "" }));
    this.#tell.changed();
  }

  join = (room) => this.#do("join", { room });
  leave = (room) => this.#do("leave", { room });
  create = (room, title) => this.#do("create", { room, title });

  /** Worth no error: the next one carries the same news. */
  read = (room, position) => this.#socket.volatile.emit("read", { room, position });
  typing = (room) => this.#socket.volatile.emit("typing", { room });

  /** Bring the page before what is there. */
  async lookBack(room) {
    const before = room.log.first;
    const page = await this.#ask("history", { room: room.id, before, limit: PAGE });
    if (room.log.first === before) this.#model.lookedBack(room.id, page);
    this.#tell.changed();
  }

  // ---- what the gateway says ----

  #listen() {
    const socket = this.#socket;
    const model = this.#model;
    const hear = (event, act) => socket.on(event, (data) => {
      act(data);
      this.#tell.changed();
    });
    socket.on("connect", () => this.#await());
    socket.on("disconnect", () => this.#lost());
    socket.on("connect_error", (error) => this.#lost(error));
    hear("welcome", (welcome) => this.#welcomed(welcome));
    hear("entries", ({ room, entries, more }) => {
      if (model.arrived(room, entries) || more) this.#catchUp(room);
    });
    hear("created", ({ room, title }) => (model.find(room).title = title));
    hear("presence", (changes) => model.presence(changes));
    hear("typing", (typing) => model.isTyping(typing, Date.now()));
    hear("read", (read) => model.wasRead(read));
    hear("mention", (mention) => {
      model.wasMentioned(mention);
      this.#tell.mentioned(mention);
    });
    hear("rejected", ({ room, client_id, reason }) => {
      if (client_id) model.failed(room, client_id, reason);
      else this.#tell.refused(reason);
    });
    hear("resync", () => model.joined.forEach((room) => this.#catchUp(room.id)));
  }

  /** Connected; but only the welcome says that the gateway is ready for us. */
  #await() {
    this.#socket.io.engine.once("upgrade", this.#tell.changed);
    clearTimeout(this.#overdue);
    this.#overdue = setTimeout(() => this.#socket.disconnect().connect(), WELCOME);
  }

  #welcomed(welcome) {
    clearTimeout(this.#overdue);
    this.#model.status = "online";
    this.#model.welcome(welcome);
    for (const { room, message } of this.#model.unsettled) this.#deliver(room, message);
    // What happens between the gateway's look at the rooms and our first entry comes to light
    // with the next entry; in the open room that would be too late.
    if (this.#model.room?.member) this.#catchUp(this.#model.current);
    this.#tell.welcomed();
  }

  #lost(error) {
    clearTimeout(this.#overdue);
    if (error?.message === "log in first") return this.#tell.expired();
    if (this.#model.status === "online") this.#model.status = "away";
    // After a refusal by the gateway the client does not try again by itself.
    if (!this.#socket.active) setTimeout(() => this.#socket.connect(), AGAIN);
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

  async #deliver(room, message) {
    if (this.#model.status !== "online") return; // the welcome sends it
    const { client_id, text } = message;
    try {
      await this.#ask("message", { room: room.id, client_id, text });
      if (message.state === "sending") message.state = "sent";
    } catch (error) {
      // The same client id makes it harmless to send again what did arrive.
      if (this.#socket.connected) this.#model.failed(room.id, client_id, error.message);
    }
    this.#tell.changed();
  }

  async #do(event, data) {
    try {
      await this.#ask(event, data);
    } catch (error) {
      this.#tell.refused(error.message);
    }
  }

  async #ask(event, data) {
    const answer = await this.#socket.timeout(ANSWER).emitWithAck(event, data).catch(() => {
      throw new Error(words.noAnswer);
    });
    if (answer.error) throw Object.assign(new Refused(answer.error), { retry: answer.retry });
    return answer;
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
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
