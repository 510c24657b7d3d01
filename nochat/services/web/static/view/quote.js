/** What a message answers, above it or above the composer: who said it, and how it began. */

import { plain } from "../markdown.js";
import { nameOf, words } from "../words.js";
import { el, icon } from "./dom.js";

const LONGEST = 160; // characters

/** How a message began, in one line. */
export function excerptOf({ text, deleted }) {
  if (deleted) return words.deleted;
  const line = plain(text).replace(/\s+/g, " ").trim();
  const characters = [...line];
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST).join("")}…` : line;
}

/** What is told of an answered message: undefined is not here yet, null is nowhere. */
export function told(original) {
  if (original === undefined) return ["", "…"];
  return original === null ? ["", words.noSuchMessage] : [nameOf(original.sender), excerptOf(original)];
}

/** A button that says what is answered; `jump` shows it. */
export function quoteOf(jump) {
  return el("button", { className: "quoted", onclick: jump }, icon("reply"),
    el("span", { className: "unseen" }, `${words.inReplyTo} `),
    el("strong", { dir: "auto" }), " ", el("span", { className: "excerpt", dir: "auto" }));
}
