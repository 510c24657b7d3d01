/** The language in use: `words` is everything that the page says by itself. */

import { isDeleted } from "./erased.js";
import en from "./words/en.js";
import es from "./words/es.js";

export const LANGUAGES = { en, es };

/** Changes with the language: read it when you need it, don't keep it. */
export let words = en;

/** Speak a language ("" is the browser's), here and in all that the document says. */
export function speak(language = "") {
  words = LANGUAGES[[language, preferred()].find(isKnown)] ?? en;
  document.documentElement.lang = words.language;
  fill(document);
}

/** Fill in a tree's own words: `data-word`, or `data-word-placeholder` for that attribute. */
export function fill(tree) {
  for (const element of tree.querySelectorAll("[data-word]")) {
    element.textContent = words[element.dataset.word];
  }
  for (const attribute of ["aria-label", "placeholder", "title"]) {
    for (const element of tree.querySelectorAll(`[data-word-${attribute}]`)) {
      element.setAttribute(attribute, words[element.getAttribute(`data-word-${attribute}`)]);
    }
  }
}

/** What to call a user: whose account is deleted has no name. */
export const nameOf = (user) => (isDeleted(user) ? words.deletedUser : user);

/** Why the chat says no, in the language in use: it gives a code, with parameters for the sentence. */
export function reason({ code, params = {} }) {
  if (!Object.hasOwn(words.reasons, code)) return words.unknownReason(code);
  return words.reasons[code].replace(/\{(\w+)\}/g, (hole, name) => params[name] ?? hole);
}

const isKnown = (language) => Object.hasOwn(LANGUAGES, language);

function preferred() {
  const languages = navigator.languages.map((kind) => kind.split("-")[0]);
  return languages.find(isKnown);
}
