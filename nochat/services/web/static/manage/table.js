/** Rows that stay while their numbers change, so that what a reader selects or focuses stays too. */

import { el, sync } from "../view/dom.js";

/**
 * @param items each `{ key, cells }`: a cell is a text, an element, or `{ text, className }`. The
 *   first is the row's header.
 */
export function fillRows(body, items) {
  sync(
    body,
    items,
    ({ cells }) => el("tr", {}, ...cells.map((_, at) => (at ? el("td") : el("th", { scope: "row" })))),
    (row, { cells, className = "" }) => {
      row.className = className;
      cells.forEach((cell, at) => show(row.children[at], cell));
    },
  );
}

function show(place, cell) {
  if (cell instanceof Element) {
    place.replaceChildren(cell);
    return;
  }
  const { text, className = "" } = typeof cell === "object" ? cell : { text: cell };
  place.className = className;
  if (place.textContent !== text) place.textContent = text;
}

export const figure = (text) => ({ text, className: "number" });
