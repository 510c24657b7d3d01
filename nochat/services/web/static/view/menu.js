/** A menu at a button: arrows move, Escape or a click elsewhere closes, the focus returns. */

import { el } from "./dom.js";

let shown = null; // the open menu and its button

/** Open a menu after its button, or close it; `items` are `{label, act, grave}`. */
export function toggleMenu(button, items) {
  const again = shown?.button === button;
  closeMenu();
  if (again || items.length === 0) return;
  const menu = el("div", { className: "menu", role: "menu", "aria-label": button.ariaLabel ?? button.textContent });
  for (const { label, act, grave } of items) {
    const choose = () => {
      closeMenu();
      button.focus();
      act();
    };
    const look = { className: grave ? "grave" : "", role: "menuitem", tabIndex: -1, type: "button" };
    menu.append(el("button", { ...look, onclick: choose }, label));
  }
  menu.addEventListener("keydown", (event) => key(event, menu, button));
  button.after(menu);
  button.setAttribute("aria-expanded", "true");
  shown = { menu, button };
  menu.firstElementChild.focus();
  menu.scrollIntoView({ block: "nearest" });
}

export function closeMenu() {
  shown?.button.setAttribute("aria-expanded", "false");
  shown?.menu.remove();
  shown = null;
}

document.addEventListener("click", ({ target }) => {
  if (shown && !shown.menu.contains(target) && !shown.button.contains(target)) closeMenu();
});

function key(event, menu, button) {
  const items = [...menu.children];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (to !== undefined) items.at(to % items.length).focus();
  else if (event.key === "Escape") button.focus();
  else if (event.key !== "Tab") return;
  if (to === undefined) closeMenu();
  if (event.key === "Tab") return;
  event.preventDefault();
  event.stopPropagation(); // a drawer around it stays open
}
