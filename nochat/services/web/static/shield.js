/** What fails alone does not take the rest of the page with it. */

/** Call it; what it throws is told to the console, and the page goes on. */
export function shielded(act, ...given) {
  try {
    return act(...given);
  } catch (error) {
    (globalThis.reportError ?? console.error)(error); // Node, in tests, has no reportError
    return undefined;
  }
}
