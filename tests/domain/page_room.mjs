/** The page's model of a room: a line of standard input has its entries, a line of output the state. */

import { createInterface } from "node:readline";

import { Model } from "../../nochat/services/web/static/model.js";

function stateOf({ room: id, entries }) {
  const model = new Model();
  model.welcome({ user: "a watcher", role: "user", rooms: [], online: [] });
  model.arrived(id, entries);
  if (entries.some(({ type }) => type === "room.deleted")) model.deleted(id); // as connection.js does
  const { title, kind, owner, members, muted, banned, log } = model.find(id);
  const messages = log.entries
    .filter(({ type }) => type === "message.sent")
    .map(({ position, sender, text, deleted, reactions }) => ({
      position, sender, text, deleted: Boolean(deleted),
      reactions: Object.fromEntries([...reactions.values()].map(({ emoji, users }) => [emoji, users])),
    }));
  return { title, kind, owner, members: [...members], muted: [...muted], banned: [...banned],
    position: log.last, messages };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(stateOf(JSON.parse(line))));
}
