/** Addresses of rooms and messages: `#/room/general`, `#/room/general/42`. Pure but for the page's own. */

const PLACE = /^#\/room\/([a-z0-9][a-z0-9-]{0,39})(?:\/([1-9]\d{0,14}))?$/;

/** What an address's fragment names: `{room, position}`, with 0 for no message; undefined: nothing. */
export function placeOf(fragment) {
  const [, room, position = 0] = PLACE.exec(fragment) ?? [];
  return room && { room, position: Number(position) };
}

export const fragmentOf = (room, position) => `#/room/${room}${position ? `/${position}` : ""}`;

/** The whole address of a message, for others to open. */
export const addressOf = (room, position) =>
  new URL(location.pathname + fragmentOf(room, position), location.href).href;

/** The fragment of a link that leads to a place in this chat; undefined, if it does not. */
export function addressOfLink(href) {
  const { origin, pathname, hash } = new URL(href);
  const here = origin === location.origin && pathname === location.pathname;
  return here && placeOf(hash) ? hash : undefined;
}
