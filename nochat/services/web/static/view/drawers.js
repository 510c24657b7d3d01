/** On a narrow screen the panels are drawers: a button opens one, Escape or a choice closes it. */

import { $, composes } from "./dom.js";

const DRAWERS = ["rooms", "people", "search"];

export function wireDrawers() {
  for (const name of DRAWERS) {
    $(`${name}-button`).addEventListener("click", () => toggle(name, !isOpen(name)));
  }
  $("search-close").addEventListener("click", () => close("search"));
  document.addEventListener("keydown", (event) => {
    const open = DRAWERS.find(isOpen);
    if (event.key === "Escape" && !composes(event) && open && !document.querySelector("dialog[open]")) close(open);
  });
  // By the click, not the press: what is behind the drawer would get the click.
  let pressed = false;
  const isOutside = ({ target }) => !target.closest(".panel, .drawer, dialog, #notices, #search-button");
  document.addEventListener("pointerdown", (event) => (pressed = isOutside(event)));
  document.addEventListener("click", (event) => {
    const open = DRAWERS.find(isOpen);
    if (open && covers(open) && pressed && isOutside(event)) closeDrawers();
  });
  addEventListener("resize", settle);
}

/** Something was chosen: what covers the room goes away. */
export function closeDrawers() {
  for (const name of DRAWERS) if (covers(name)) toggle(name, false);
}

const isOpen = (name) => $(`${name}-panel`).classList.contains("open");
const covers = (name) => getComputedStyle($(`${name}-panel`)).position === "fixed";

function close(name) {
  toggle(name, false);
  $(`${name}-button`).focus();
}

function toggle(name, open) {
  if (open) for (const other of DRAWERS) if (other !== name) toggle(other, false);
  if (name === "search") $("chat").classList.toggle("searching", open);
  $(`${name}-panel`).classList.toggle("open", open);
  $(`${name}-button`).setAttribute("aria-expanded", open);
  settle();
  const panel = $(`${name}-panel`);
  if (open) (panel.querySelector("[data-first]") ?? panel.querySelector("button"))?.focus();
}

/** What a drawer covers can't be reached by the keyboard meanwhile. */
function settle() {
  const covering = DRAWERS.filter((name) => isOpen(name) && covers(name));
  $("room").inert = covering.length > 0;
  for (const name of DRAWERS) $(`${name}-panel`).inert = covering.length > 0 && !covering.includes(name);
}
