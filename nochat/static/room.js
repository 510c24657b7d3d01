/** One room: its people, its log, what is unread in it. Pure state. */

import { apply, isChange } from "./changes.js";
import { RoomLog } from "./roomlog.js";

export class Room {
  title;
  kind = "public"; // or "private", or "direct"
  owner = "";
  members = new Set();
  muted = new Set();
  banned = new Set(); // as far as the log that is here tells
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

  constructor(id) {
    this.id = this.title = id;
  }

  summarise(summary, user) {
    const { title, kind, owner, members, muted, invited, position, read, unread, mentions } = summary;
    Object.assign(this, { title, kind, owner, invited, read, unread, mentions, counted: position });
    this.members = new Set(members);
    this.muted = new Set(muted);
    this.member = this.members.has(user);
    if (this.log.last === null) this.log.start(position);
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
    if (isChange(entry)) apply(entry, this.log.at(entry.target));
    else LESSONS[entry.type]?.(this, entry);
    this.member = this.members.has(user);
    if (this.member) this.invited = false;
  }

  /** What the log says of itself again, after a page came in front. */
  relearn(user) {
    for (const entry of [...this.log.entries, ...this.log.changes]) this.learn(entry, user);
  }

  mayModerate(user, role) {
    return this.kind !== "direct" && (role === "manager" || this.owner === user);
  }

  mayWrite(user) {
    return this.member && !this.muted.has(user);
  }
}

const LESSONS = {
  "room.created": (room, { title, kind = "public", user }) => {
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
};
