/** Short notices in a corner: they go away by themselves, or by a click. */

import { words } from "../words.js";
import { $, el } from "./dom.js";
import { afterPress } from "./press.js";

const SHOWN = 8000; // milliseconds, of a page that is looked at
const MOST = 4;

/** @param open called when the notice itself is clicked, if there is something to open. */
export function notice(text, open) {
  const close = () => shown.remove();
  const act = () => {
    close();
    open();
  };
  const body = open ? el("button", { className: "body", onclick: act }, text) : el("p", { className: "body" }, text);
  const cross = el("button", { className: "quiet", title: words.close, "aria-label": words.close, onclick: close }, "×");
  const shown = el("div", { className: "notice" }, body, cross);
  afterPress(() => {
    $("notices").append(shown);
    if ($("notices").childElementCount > MOST) $("notices").firstElementChild.remove();
  });
  whenSeen(() => setTimeout(() => afterPress(close), SHOWN));
}

/** All of them: their reader left. */
export const clearNotices = () => $("notices").replaceChildren();

function whenSeen(act) {
  if (!document.hidden) return act();
  document.addEventListener("visibilitychange", () => whenSeen(act), { once: true });
}
