/** One room: its people, its log, what is unread in it. Pure state. */

import { apply, isChange } from "./changes.js";
import { isDeleted, isErasure, rename } from "./erased.js";
import { RoomLog } from "./roomlog.js";

export class Room {
  title;
  kind = ""; // or "public", "private", "direct", as soon as somebody says
  owner = "";
  members = new Set();
  muted = new Set();
  banned = new Set();
  member = false; // whether this user is one
  invited = false; // whether this user is
  inviter = "";
  read = 0;
  unread = 0;
  mentions = 0;
  counted = 0; // up to this position `unread` has been counted
  seam = null; // what follows this position was unread when the room was opened
  log = new RoomLog();
  outgoing = new Map(); // client id -> message of ours that has no position yet
  typing = new Map(); // user -> until when to show it
  stale = false; // whether what is here of the log must be asked for again
  answered = new Map(); // position -> a message that is quoted and not in the log here; null: none

  constructor(id) {
    this.id = this.title = id;
  }

  /** Take what the chat says of the room; gives the entries here that it does not know of yet. */
  summarise({ title, kind, owner, members, muted, banned, invited, position, ...counts }, user) {
    Object.assign(this, { title, kind, owner, invited });
    this.members = new Set(members);
    this.muted = new Set(muted);
    this.banned = new Set(banned);
    this.member = this.members.has(user);
    if (this.member && this.log.last === null) this.log.start(position);
    this.#count(counts, position);
    return position ? this.log.after(position) : []; // who is only invited is not told where it stands
  }

  /** What was read here already, the chat may not know yet. */
  #count({ read, unread, mentions }, position) {
    const current = this.read < position;
    Object.assign(this, current ? { unread, mentions } : { unread: 0, mentions: 0 });
    this.counted = Math.max(position, this.read);
    this.read = Math.max(this.read, read);
  }

  /** Less is unread than was counted; where not all of that is here, the count stays. */
  recount(user) {
    const some = this.read < this.counted;
    if (some && (this.log.last === null || this.log.first > this.read + 1)) return;
    const unread = this.log.after(this.read).filter(
      ({ type, position, sender, deleted }) =>
        type === "message.sent" && position <= this.counted && sender !== user && !deleted,
    );
    this.unread = unread.length;
    this.mentions = Math.min(this.mentions, this.unread);
  }

  /** What to call the room for a user: a direct one has the other's name. */
  titleFor(user) {
    return this.kind === "direct" ? this.peerOf(user) : this.title;
  }

  /** The other one in a direct room; who writes to themselves, themselves. */
  peerOf(user) {
    return [...this.members].find((member) => member !== user) ?? user;
  }

  /** Take an entry's word on title, kind and people; or on a message, if it is a change. */
  learn(entry, user) {
    if (isErasure(entry)) this.#erase(entry);
    else if (isChange(entry)) {
      for (const copy of [this.log.at(entry.target), this.answered.get(entry.target)]) apply(entry, copy);
    } else LESSONS.get(entry.type)?.(this, entry);
    this.member = this.members.has(user);
    if (this.member) this.invited = false;
  }

  /** A page came in front: what became of its messages may have come before. */
  reapply() {
    for (const change of this.log.changes) {
      if (isErasure(change)) this.#rename(change);
      else apply(change, this.log.at(change.target));
    }
  }

  /** Somebody deleted their account. Who was away then hears no name, and asks for all again. */
  #erase({ user, deleted_as, title, position }) {
    if (this.kind === "direct" && this.members.has(user)) this.members.add(deleted_as);
    for (const people of [this.members, this.muted, this.banned, this.typing]) {
      if (user !== deleted_as) people.delete(user);
    }
    if (this.owner === user) this.owner = "";
    if (title) this.title = title;
    if (user !== deleted_as) return this.#rename({ user, deleted_as });
    this.log.forget(position);
    this.answered.clear();
    this.stale = true;
  }

  #rename(erasure) {
    for (const entry of [...this.log.entries, ...this.answered.values()]) rename(entry, erasure);
  }

  /** The message at a position, as far as it is here; null is nowhere, undefined not here yet. */
  original(position) {
    const found = this.log.at(position) ?? this.answered.get(position);
    return found && found.text === undefined ? null : found;
  }

  mayModerate(user, role) {
    return this.kind !== "direct" && (role === "manager" || (this.member && this.owner === user));
  }

  /** Whether the other one in a direct room is no more. */
  get isOver() {
    return this.kind === "direct" && [...this.members].some(isDeleted);
  }

  mayWrite(user) {
    return this.member && !this.muted.has(user) && !this.isOver;
  }
}

const LESSONS = new Map(Object.entries({
  "room.created": (room, { title, kind, user }) => {
    Object.assign(room, { title, kind });
    if (room.id !== "lobby") room.owner = user; // there before anybody made it; nobody owns it
  },
  "room.joined": (room, { user }) => room.members.add(user),
  "room.left": (room, { user }) => room.members.delete(user),
  "member.moderated": (room, { member, action }) => {
    if (action === "mute") room.muted.add(member);
    if (action === "unmute") room.muted.delete(member);
    if (action === "ban") room.banned.add(member);
    if (action === "unban") room.banned.delete(member);
    if (action === "ban" || action === "kick") room.members.delete(member);
  },
}));
