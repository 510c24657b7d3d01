/** Everything that the page says by itself, in one place: a second language goes here. */

export const words = {
  badName: "A name has 2 to 32 letters, digits, dots, hyphens or underscores, and starts with a letter or digit.",
  badPassword: "A password has at least 8 characters.",
  noAnswer: "the chat does not answer",
  sessionOver: "Your session is over. Log in again.",
  badTitle: "A room's name needs a letter or a digit, from a to z or 0 to 9.",
  connecting: "Connecting…",
  away: "The connection is lost. Trying again… What you write now is sent then.",
  connected: (transport) => `connected by ${transport}`,
  sending: "Sending…",
  sent: "Sent",
  notSent: (reason) => `Not sent: ${reason}`,
  retry: "Retry",
  discard: "Discard",
  join: "Join",
  close: "Close",
  noRoom: "Choose a room, or create one.",
  empty: "Nothing here yet. Say hello.",
  people: (online, all) => `People (${online} of ${all} online)`,
  online: "online",
  offline: "offline",
  you: "(you)",
  unread: (count) => `${count} unread`,
  mentions: (count) => `${count} ${count === 1 ? "mention" : "mentions"}`,
  mentioned: (sender, room) => `${sender} mentioned you in ${room}`,
  refused: (reason) => `That was refused: ${reason}.`,
  tooLong: (length, most) => `${length} of ${most} characters: too long for one message.`,
  created: (user) => `${user} created the room`,
  joined: (user) => `${user} joined`,
  left: (user) => `${user} left`,
  typing(users) {
    if (users.length === 0) return "";
    if (users.length > 2) return "Several people are typing…";
    return `${users.join(" and ")} ${users.length === 1 ? "is" : "are"} typing…`;
  },
  time: (date) => date.toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" }),
  day: (date) => date.toLocaleDateString(document.documentElement.lang, { dateStyle: "full" }),
};
