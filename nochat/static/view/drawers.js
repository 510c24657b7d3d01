/** On a narrow screen the panels are drawers: a button opens one, Escape or a choice closes it. */

import { $ } from "./dom.js";

const DRAWERS = ["rooms", "people"];

export function wireDrawers() {
  for (const name of DRAWERS) {
    $(`${name}-button`).addEventListener("click", () => toggle(name, !isOpen(name)));
  }
  document.addEventListener("keydown", (event) => {
    const open = DRAWERS.find(isOpen);
    if (event.key !== "Escape" || !open) return;
    closeDrawers();
    $(`${open}-button`).focus();
  });
  $("room").addEventListener("click", (event) => {
    if (!event.target.closest(".drawer")) closeDrawers();
  });
}

export function closeDrawers() {
  for (const name of DRAWERS) toggle(name, false);
}

const isOpen = (name) => $(`${name}-panel`).classList.contains("open");

function toggle(name, open) {
  $(`${name}-panel`).classList.toggle("open", open);
  $(`${name}-button`).setAttribute("aria-expanded", open);
  if (!open) return;
  for (const other of DRAWERS.filter((each) => each !== name)) toggle(other, false);
  $(`${name}-panel`).querySelector("button")?.focus();
}
