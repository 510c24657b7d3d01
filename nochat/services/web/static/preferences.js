/** What a reader chose for this browser: language, theme, notifications. "" is the default. */

const PREFIX = "nochat.";
const chosen = new Map(); // in this page: a browser that blocks cookies lets it keep nothing else

export function preference(name) {
  try {
    return chosen.get(name) ?? localStorage.getItem(PREFIX + name) ?? "";
  } catch {
    return "";
  }
}

export function prefer(name, value) {
  chosen.set(name, value);
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // It holds for this page, then.
  }
}

/** Whether the browser lets this page keep anything: one that blocks cookies blocks storage too. */
export function isKept() {
  try {
    return navigator.cookieEnabled && Boolean(localStorage);
  } catch {
    return false;
  }
}

/** Light or dark; "" follows the system. */
export function wear(theme) {
  document.documentElement.dataset.theme = theme;
}
