/** What the page knows: rooms, messages, people. Pure state: no DOM, no network, no clock. */

import { Room } from "./room.js";
import { shielded } from "./shield.js";

export const TYPING_SHOWN = 5000; // milliseconds

export class Model {
  user = "";
  role = "user"; // or "manager"
  status = "connecting"; // or "online", "away", or "crowded": too many windows are open
  rooms = new Map();
  online = new Set();
  current = ""; // the open room's id

  get room() {
    return this.rooms.get(this.current);
  }

  get joined() {
    return [...this.rooms.values()].filter((room) => room.member);
  }

  /** Unread messages and mentions outside the open room. */
  get elsewhere() {
    const others = this.joined.filter((room) => room.id !== this.current);
    return {
      unread: others.reduce((sum, room) => sum + room.unread, 0),
      mentions: others.reduce((sum, room) => sum + room.mentions, 0),
    };
  }

  /** The last position held of each room, for the gateway to send what follows. */
  get positions() {
    const known = this.joined.filter((room) => room.log.last !== null);
    return Object.fromEntries(known.map((room) => [room.id, room.log.last]));
  }

  welcome({ user, role, rooms, online }) {
    this.user = user;
    this.role = role;
    this.online = new Set(online);
    // A room that is not named any more is none of ours: we were removed meanwhile, or it is gone.
    for (const room of this.rooms.values()) Object.assign(room, { member: false, invited: false, kind: "" });
    for (const summary of rooms) this.summarised(summary);
  }

  /** The chat says how a room stands; entries that came before it may be newer. */
  summarised(summary) {
    const room = this.find(summary.room);
    this.#allHappened(room, room.summarise(summary, this.user));
  }

  /** The room of that id, known from now on. */
  find(id) {
    if (!this.rooms.has(id)) this.rooms.set(id, new Room(id));
    return this.rooms.get(id);
  }

  titleOf(id) {
    return this.find(id).titleFor(this.user);
  }

  /** The direct room with a user, if there is one. */
  directWith(user) {
    return this.joined.find((room) => room.kind === "direct" && room.peerOf(this.user) === user);
  }

  /** Public rooms that may be joined. */
  listed(rooms) {
    for (const { room: id, title, owner } of rooms) {
      const room = this.find(id);
      if (!room.member) Object.assign(room, { title, owner, kind: "public" });
    }
  }

  /** A room was deleted, with all that was said in it. */
  deleted(id) {
    const room = this.rooms.get(id);
    if (room) Object.assign(room, { member: false, invited: false, kind: "", members: new Set(), outgoing: new Map() });
  }

  /** A public room was made. */
  created(entry) {
    this.find(entry.room).learn(entry, this.user);
  }

  invited({ room: id, title, user, kind = "private" }) {
    const room = this.find(id);
    Object.assign(room, { title, kind, inviter: user, invited: true });
  }

  /** The user turned an invitation down. */
  declined(id) {
    this.find(id).invited = false;
  }

  /** Entries came by themselves; tells whether some before them are missing. */
  arrived(id, entries) {
    const room = this.find(id);
    this.#allHappened(room, room.log.add(entries));
    return room.log.gap;
  }

  /** The page after the last position came; `furthest` is as of when it was asked for. */
  caughtUp(id, page, furthest) {
    const room = this.find(id);
    this.#allHappened(room, room.log.follow(page, furthest));
  }

  /** A page before the first position came. */
  lookedBack(id, page) {
    const room = this.find(id);
    room.log.precede(page);
    room.reapply();
    for (const entry of page.entries) this.#arrives(room, entry);
  }

  /** One that is not understood does not keep those behind it from being. */
  #allHappened(room, entries) {
    for (const entry of entries) shielded(() => this.#happened(room, entry));
  }

  #happened(room, entry) {
    room.learn(entry, this.user);
    this.#arrives(room, entry);
    room.typing.delete(entry.sender);
    if (entry.position <= room.counted) return;
    room.counted = entry.position;
    if (entry.type === "message.sent" && entry.sender !== this.user) room.unread += 1;
    if (entry.type === "message.deleted") room.recount(this.user);
  }

  /** A message of ours that has its place is on its way no more. */
  #arrives(room, { sender, client_id }) {
    if (sender === this.user) room.outgoing.delete(client_id);
  }

  /** Everything in the room is read; gives the position to report, if that is news. */
  readAll(room) {
    room.unread = room.mentions = 0;
    if (!room.member || room.log.last === null || room.log.last <= room.read) return null;
    room.read = room.log.last;
    return room.read;
  }

  /** Another page of this user has read. */
  wasRead({ room: id, position }) {
    const room = this.find(id);
    room.read = Math.max(room.read, position);
    room.recount(this.user);
  }

  wasNotified({ room: id, position, reason }) {
    const room = this.find(id);
    if (reason === "mention" && position > room.read) room.mentions += 1;
  }

  isTyping({ room: id, user }, now) {
    if (user !== this.user) this.find(id).typing.set(user, now + TYPING_SHOWN);
  }

  typists(room, now) {
    return [...room.typing].filter(([, until]) => until > now).map(([user]) => user);
  }

  presence({ came, went }) {
    for (const user of went) this.online.delete(user);
    for (const user of came) this.online.add(user);
  }

  // ---- messages of ours on their way: "sending", "sent" (the broker has it) or "failed" ----

  write(room, client_id, text, at, reply_to = 0) {
    // A clock that was set back meanwhile must not put it before those that are on their way.
    const last = Math.max(at, ...this.outgoing.map(({ message }) => message.at));
    const message = { client_id, text, reply_to, at: last, sender: this.user, state: "sending", reason: "" };
    room.outgoing.set(client_id, message);
    return message;
  }

  failed(id, client_id, reason) {
    const message = this.find(id).outgoing.get(client_id);
    if (message) Object.assign(message, { state: "failed", reason });
  }

  /** Messages that may not have reached the broker, with their rooms, in order. */
  get unsettled() {
    return this.outgoing.filter(({ message }) => message.state !== "failed");
  }

  /** All messages that have no position yet, with their rooms, in order. */
  get outgoing() {
    const all = [...this.rooms.values()].flatMap((room) =>
      [...room.outgoing.values()].map((message) => ({ room, message })),
    );
    return all.sort((one, other) => one.message.at - other.message.at);
  }

  /** The last message of this user in the open room that can be edited, if only once it has a position. */
  get lastOwn() {
    const underWay = [...(this.room?.outgoing.values() ?? [])].filter(({ state }) => state !== "failed");
    return underWay.at(-1) ?? this.room?.log.entries.findLast(
      ({ sender, deleted }) => sender === this.user && !deleted,
    );
  }
}
