/** The few things that every view needs. What users wrote only ever becomes text. */

import { shielded } from "../shield.js";

const SVG = "http://www.w3.org/2000/svg";
const HUES = 8;

export const $ = (id) => document.getElementById(id);

/** An element with properties (`class` and `data-…` too) and children: elements or text. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Whether a key is for the input method: in Safari also the Enter that ends a composition, 229. */
export const composes = ({ isComposing, keyCode }) => isComposing || keyCode === 229;

/** One of the icons at the end of the page. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Put their icons into the page's own buttons. */
export function drawIcons() {
  for (const place of document.querySelectorAll("[data-icon]")) {
    place.prepend(icon(place.dataset.icon));
  }
}

/** A user's first letter, in a colour that is always theirs. */
export function avatar(user, more = "") {
  const hue = [...user].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % HUES;
  const letter = [...user][0].toUpperCase();
  return el("span", { className: `avatar hue-${hue} ${more}`, "aria-hidden": "true" }, letter);
}

/** Set a text only where it changed: screen readers announce every write. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make a list's children those of `items`, by key: elements that are there already stay, so that
 * only what is new is announced and the focus is not lost. An item that can't be shown is left out,
 * and one whose key another has already.
 */
export function sync(list, items, make, update = () => {}) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  const wanted = new Set(items.map(({ key }) => key));
  // What goes, goes first: the rest then keeps its place.
  for (const [key, child] of old) if (!wanted.has(key)) child.remove();
  let next = list.firstElementChild;
  for (const item of items) {
    if (!wanted.delete(item.key)) continue;
    const child = old.get(item.key) ?? shielded(make, item);
    if (!child) continue;
    child.dataset.key = item.key;
    if (child === next) next = next.nextElementSibling;
    else list.insertBefore(child, next);
    shielded(update, child, item);
  }
}
