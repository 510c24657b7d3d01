/** What becomes of a room when somebody in it deleted their account: their messages stay, no name. */

import { react } from "./reactions.js";

const PREFIX = "~deleted-";
const NAMED = ["sender", "user", "invitee", "member"];

export const isErasure = ({ type }) => type === "user.erased";

/** Whether a name stands for an account that was deleted. */
export const isDeleted = (user) => user.startsWith(PREFIX);

/** Put another name in a user's place, in an entry; `formerly` is who its line was made for. */
export function rename(entry, { user, deleted_as }) {
  if (!entry) return;
  const fields = NAMED.filter((field) => entry[field] === user);
  if (fields.includes("sender")) entry.formerly ??= user;
  for (const field of fields) entry[field] = deleted_as;
  const reacted = [...(entry.reactions?.values() ?? [])].filter(({ users }) => users.includes(user));
  for (const { emoji } of reacted) react(entry.reactions, emoji, user, false);
  if (fields.length || reacted.length) entry.changed = (entry.changed ?? 0) + 1;
}
