/** What the page says, in English. */

import { formats } from "./format.js";

const { plural, list, time, day, moment } = formats("en");

export default {
  language: "en",
  name: "English",

  // ---- the door ----
  doorHint: "Log in, or choose a name and a password and create an account.",
  userName: "Name",
  passLabel: "Password",
  logIn: "Log in",
  createAccount: "Create account",
  badName: "A name has 2 to 32 letters, digits, dots, hyphens or underscores, and starts with a letter or digit.",
  badPass: "A password has at least 8 characters.",
  noPass: "Write your password.",
  noAnswer: "the chat does not answer",
  sessionOver: "Your session is over. Log in again.",
  signedOut: (reason) => `You were logged out: ${reason}.`,

  // ---- the frame ----
  skip: "Skip to the messages",
  rooms: "Rooms",
  people: "People",
  search: "Search",
  settings: "Settings",
  notices: "Notices",
  close: "Close",
  cancel: "Cancel",
  more: "More for this room",
  connecting: "Connecting…",
  away: "The connection is lost. Trying again… What you write now is sent then.",
  connected: (transport) => `connected by ${transport}`,
  refused: (reason) => `That was refused: ${reason}.`,

  // ---- rooms ----
  yourRooms: "Your rooms",
  invitations: "Invitations",
  directs: "Direct messages",
  otherRooms: "Other rooms",
  filterRooms: "Filter the other rooms",
  noneOfThese: "No room of that name.",
  newRoom: "New room",
  newMessage: "New message",
  roomName: "Room name",
  create: "Create",
  makePrivate: "Private: only who is invited can see it and come in",
  noTitle: "Give the room a name.",
  privateRoom: "private room",
  join: "Join",
  accept: "Accept",
  decline: "Decline",
  invitedBy: (user) => `from ${user}`,
  invitedTo: (user, room) => `${user} invites you to ${room}`,
  invite: "Invite somebody…",
  inviteTo: (room) => `Invite to ${room}`,
  inviteDone: (user) => `${user} is invited.`,
  inviteVerb: "Invite",
  leave: "Leave the room",
  leaveAsk: (room) => `Leave ${room}?`,
  leaveHint: "To come back into a private room you must be invited again.",
  leaveVerb: "Leave",
  noRoom: "Choose a room, or create one.",
  empty: "Nothing here yet. Say hello.",
  unread: (count) => `${count} unread`,
  mentions: (count) => `${count} ${plural(count, { one: "mention", other: "mentions" })}`,

  // ---- people ----
  peopleCount: (online, all) => `People (${online} of ${all} online)`,
  online: "online",
  offline: "offline",
  muted: "muted",
  banned: "Banned",
  you: "(you)",
  owner: "owner",
  write: "Send a message",
  mute: "Mute",
  unmute: "Unmute",
  kick: "Remove from the room…",
  kickAsk: (user) => `Remove ${user} from the room?`,
  kickHint: "They can come back: into a public room by themselves, into a private one when invited.",
  kickVerb: "Remove",
  ban: "Ban from the room…",
  banAsk: (user) => `Ban ${user} from the room?`,
  banHint: "They are removed and can't come back until the ban is lifted.",
  banVerb: "Ban",
  unban: "Lift the ban",
  person: "Name of the person",
  startWriting: "Write",
  suggestions: (count) => `${count} ${plural(count, { one: "suggestion", other: "suggestions" })}`,
  nobody: "Nobody has a name like this.",

  // ---- the log ----
  messages: "Messages",
  earlier: "Earlier messages",
  newest: "New messages ↓",
  toNewest: "To the newest ↓",
  seam: "New",
  sending: "Sending…",
  sent: "Sent",
  notSent: (reason) => `Not sent: ${reason}`,
  retry: "Retry",
  discard: "Discard",
  edited: "(edited)",
  editedAt: (date) => `edited ${moment(date)}`,
  deleted: "Message deleted",
  created: (user) => `${user} created the room`,
  joined: (user) => `${user} joined`,
  left: (user) => `${user} left`,
  wasInvited: (user, invitee) => `${user} invited ${invitee}`,
  moderated: {
    mute: (user, member) => `${user} muted ${member}`,
    unmute: (user, member) => `${user} let ${member} write again`,
    kick: (user, member) => `${user} removed ${member}`,
    ban: (user, member) => `${user} banned ${member}`,
    unban: (user, member) => `${user} lifted the ban on ${member}`,
  },
  typing(users) {
    if (users.length === 0) return "";
    if (users.length > 2) return "Several people are typing…";
    return `${list(users)} ${plural(users.length, { one: "is", other: "are" })} typing…`;
  },

  // ---- what can be done with a message ----
  actions: "What you can do with this message",
  react: "React",
  reactWith: (emoji) => `React with ${emoji}`,
  reactions: "Reactions",
  reactedBy: (emoji, users) => `${emoji}, ${users.length}: ${list(users)}`,
  edit: "Edit",
  delete: "Delete",
  deleteAsk: "Delete this message?",
  deleteHint: "It is gone for everybody in the room.",
  deleteVerb: "Delete",

  // ---- the composer ----
  message: "Message",
  writeHere: "Write a message",
  mutedHere: "You are muted in this room",
  send: "Send",
  save: "Save",
  editing: "Editing your message",
  tooLong: (length, most) => `${length} of ${most} characters: too long for one message.`,
  mentionWhom: "People to mention",

  // ---- search ----
  searchFor: "Search for",
  searchWhere: "Where",
  everywhere: "In all your rooms",
  here: "In this room",
  searching: "Searching…",
  found: (count, more) => {
    const messages = plural(count, { one: "message", other: "messages" });
    return more ? `The ${count} newest ${messages}` : `${count} ${messages}`;
  },
  notFound: "Nothing found.",
  moreResults: "More results",
  tooFarBack: "That message is too far back to show.",

  // ---- settings ----
  languageLabel: "Language",
  ofBrowser: "As the browser",
  theme: "Theme",
  themeSystem: "As the system",
  themeLight: "Light",
  themeDark: "Dark",
  notifyMe: "Notify me of mentions and direct messages",
  notifyHint: "While this page is in the background.",
  notifyBlocked: "Your browser blocks notifications of this page. Allow them in its settings first.",
  notifyMissing: "This browser has no notifications here; they need HTTPS.",
  changePass: "Change password",
  oldPass: "Present password",
  newPass: "New password",
  passChanged: "Your password is changed. Elsewhere you are logged out.",
  management: "Management",
  logOut: "Log out",
  mentioned: (sender, room) => `${sender} mentioned you in ${room}`,
  wrote: (sender) => `${sender} wrote to you`,

  time,
  day,
  moment,

  // The server's own sentences are English already.
  reasons: [],
};
