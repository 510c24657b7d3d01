/** The language in use, with this page's own words beside those that every page shares. */

import { LANGUAGES } from "../words.js";
import en from "./words-en.js";
import es from "./words-es.js";

Object.assign(LANGUAGES.en, en);
Object.assign(LANGUAGES.es, es);

export { LANGUAGES, fill, nameOf, speak, words } from "../words.js";
