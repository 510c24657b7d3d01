/** Notifications by the browser: asked for by the reader's own click, shown in the background. */

import { prefer, preference } from "../preferences.js";

export const possible = () => "Notification" in window && isSecureContext;
export const blocked = () => possible() && Notification.permission === "denied";
export const wanted = () =>
  possible() && preference("notify") === "yes" && Notification.permission === "granted";

/** Turn them on or off; the browser may ask the reader, and the reader say no. */
export async function want(yes) {
  if (yes && possible()) await Notification.requestPermission();
  prefer("notify", yes ? "yes" : "");
}

/** Show one, if the page is in the background and the reader wants it; a click opens what it is of. */
export function alert(title, body, room, open) {
  if (!document.hidden || !wanted()) return;
  const shown = new Notification(title, { body, tag: room, icon: "static/icon.svg" });
  shown.onclick = () => {
    window.focus();
    shown.close();
    open();
  };
}
