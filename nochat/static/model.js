/** What the page knows: rooms, messages, people. Pure state: no DOM, no network, no clock. */

import { RoomLog } from "./roomlog.js";

export const TYPING_SHOWN = 5000; // milliseconds

class Room {
  title;
  members = new Set();
  member = false; // whether this user is one
  read = 0;
  unread = 0;
  mentions = 0;
  counted = 0; // up to this position `unread` has been counted
  log = new RoomLog();
  outgoing = new Map(); // client id -> message of ours that has no position yet
  typing = new Map(); // user -> until when to show it

  constructor(id) {
    this.id = this.title = id;
  }
}

export class Model {
  user = "";
  status = "connecting"; // or "online", or "away"
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

  welcome({ user, rooms, online }) {
    this.user = user;
    this.online = new Set(online);
    for (const summary of rooms) this.#summarise(this.find(summary.room), summary);
  }

  #summarise(room, { title, members, position, read, unread, mentions }) {
    Object.assign(room, { title, read, unread, mentions, counted: position });
    room.members = new Set(members);
    room.member = room.members.has(this.user);
    if (room.member && room.log.last === null) room.log.start(position);
  }

  /** The room of that id, known from now on. */
  find(id) {
    if (!this.rooms.has(id)) this.rooms.set(id, new Room(id));
    return this.rooms.get(id);
  }

  /** Entries came by themselves; tells whether some before them are missing. */
  arrived(id, entries) {
    const room = this.find(id);
    for (const entry of room.log.add(entries)) this.#happened(room, entry);
    return room.log.gap;
  }

  /** The page after the last position came; `furthest` is as of when it was asked for. */
  caughtUp(id, page, furthest) {
    const room = this.find(id);
    for (const entry of room.log.follow(page, furthest)) this.#happened(room, entry);
  }

  /** A page before the first position came. */
  lookedBack(id, page) {
    const room = this.find(id);
    room.log.precede(page);
    for (const entry of room.log.entries) this.#seat(room, entry);
  }

  #happened(room, entry) {
    this.#seat(room, entry);
    if (entry.sender === this.user) room.outgoing.delete(entry.client_id);
    room.typing.delete(entry.sender);
    if (entry.position <= room.counted) return;
    room.counted = entry.position;
    if (entry.type === "message.sent" && entry.sender !== this.user) room.unread += 1;
  }

  /** What an entry says about a room's title and members. */
  #seat(room, { type, user, title }) {
    if (type === "room.created") room.title = title;
    if (type === "room.joined") room.members.add(user);
    if (type === "room.left") room.members.delete(user);
    room.member = room.members.has(this.user);
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
    if (position >= room.counted) room.unread = room.mentions = 0;
  }

  wasMentioned({ room: id, position }) {
    const room = this.find(id);
    if (position > room.read) room.mentions += 1;
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

  write(room, client_id, text, at) {
    const message = { client_id, text, at, sender: this.user, state: "sending", reason: "" };
    room.outgoing.set(client_id, message);
    return message;
  }

  failed(id, client_id, reason) {
    const message = this.find(id).outgoing.get(client_id);
    if (message) Object.assign(message, { state: "failed", reason });
  }

  /** Messages that may not have reached the broker, with their rooms. */
  get unsettled() {
    const all = [...this.rooms.values()].flatMap((room) =>
      [...room.outgoing.values()].map((message) => ({ room, message })),
    );
    return all.filter(({ message }) => message.state !== "failed");
  }
}
