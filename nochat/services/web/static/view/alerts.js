/** Notifications by the browser: asked for by the reader's own click, shown in the background. */

import { prefer, preference } from "../preferences.js";

let owner = ""; // whose they are, and who wants them: a browser may be several people's
let broken = false; // Chrome on Android has the class, but a page may make none of it
const shown = new Set();

export const possible = () => "Notification" in window && isSecureContext && !broken;
export const failing = () => broken;
export const blocked = () => possible() && Notification.permission === "denied";
export const wanted = () =>
  possible() && preference(key()) === "yes" && Notification.permission === "granted";

const key = () => `notify.${owner}`;

/** From now on they are a user's; what the one before was shown goes away. */
export function belongTo(user) {
  for (const each of shown) each.close();
  shown.clear();
  owner = user;
}

/** Turn them on or off; the browser may ask the reader, and the reader say no. */
export async function want(yes) {
  if (yes && possible()) await Notification.requestPermission();
  prefer(key(), yes ? "yes" : "");
}

/** Show one, if the page is in the background and the reader wants it; a click opens what it is of. */
export function alert(title, body, room, open) {
  if (!document.hidden || !wanted()) return;
  const made = make(title, { body, tag: room, icon: "static/icon.svg" });
  if (!made) return;
  shown.add(made);
  made.onclose = () => shown.delete(made);
  made.onclick = () => {
    window.focus();
    made.close();
    open();
  };
}

function make(title, options) {
  try {
    return new Notification(title, options);
  } catch {
    broken = true; // the notice in the page is what there is
    return null;
  }
}
