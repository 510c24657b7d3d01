/** The session is the whole browser's: a tab that changes it tells the others, which look who it is now. */

import { me } from "./api.js";

const channel = opened();

/** This tab has logged in or out. */
export const announce = () => channel?.postMessage("changed");

/**
 * Look who it is when another tab changed it, and when somebody comes back to this one.
 *
 * @param believed gives whose session this tab takes it for.
 * @param changed called with the user, if it is another ("" is nobody).
 */
export function watch(believed, changed) {
  const look = async () => {
    const before = believed();
    const user = await me().then((it) => it.user, () => before); // no answer is no news
    if (user !== before && before === believed()) changed(user);
  };
  channel?.addEventListener("message", look);
  document.addEventListener("visibilitychange", () => document.hidden || look());
}

function opened() {
  try {
    return new BroadcastChannel("nochat.session");
  } catch {
    return null; // an old browser, or one that lets this page keep nothing
  }
}
