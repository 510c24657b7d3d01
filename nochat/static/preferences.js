/** What a reader chose for this browser: language, theme, notifications. "" is the default. */

const PREFIX = "nochat.";

export function preference(name) {
  try {
    return localStorage.getItem(PREFIX + name) ?? "";
  } catch {
    return ""; // a frame on another site's page may have no storage
  }
}

export function prefer(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // It holds for this page, then.
  }
}

/** Light or dark; "" follows the system. */
export function wear(theme) {
  document.documentElement.dataset.theme = theme;
}
