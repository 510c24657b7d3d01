/** Between a press and its click nothing moves: what may change the layout waits until after it. */

import { shielded } from "../shield.js";

const LONG = 1000; // milliseconds after which it is no click: somebody selects text, or scrolls
const TAP = 80; // milliseconds after a finger was lifted within which its click comes

let waiting = null; // what is to be done after the press; null: nothing is pressed
let timer;

/** Do it now or, while something is pressed, right after the click. */
export function afterPress(act) {
  if (waiting) waiting.push(act);
  else act();
}

function end() {
  clearTimeout(timer);
  const acts = waiting ?? [];
  waiting = null;
  acts.forEach((act) => shielded(act));
}

function endAfter(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(end, milliseconds);
}

const hear = (type, act) => addEventListener(type, act, { capture: true, passive: true });

hear("pointerdown", () => {
  waiting ??= [];
  endAfter(LONG);
});
hear("pointerup", ({ pointerType }) => endAfter(pointerType === "mouse" ? 0 : TAP));
hear("click", () => endAfter(0));
hear("pointercancel", end);
hear("blur", ({ target }) => target === window && end());
