/** The reactions to a message, by what is one reaction: a Map, as people's text may be "constructor". */

import { oneSpelling } from "./text.js";

/** From what the chat tells: names by reaction. */
export function gathered(told = {}) {
  const reactions = new Map();
  for (const [emoji, users] of Object.entries(told)) {
    for (const user of users) react(reactions, emoji, user, true);
  }
  return reactions;
}

/** Put a user's reaction, or take it away; those that are there keep their places. */
export function react(reactions, emoji, user, on) {
  const key = oneSpelling(emoji);
  const held = reactions.get(key) ?? { emoji: key, users: [] };
  held.users = held.users.filter((each) => each !== user);
  if (on) held.users.push(user);
  if (held.users.length) reactions.set(key, held);
  else reactions.delete(key);
}

export const hasReacted = ({ reactions }, emoji, user) =>
  Boolean(reactions?.get(oneSpelling(emoji))?.users.includes(user));
