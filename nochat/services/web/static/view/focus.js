/**
 * The focus, where nobody has just asked for it: at the start, or when an answer came. In a frame it
 * may belong to the page around, as in a notebook, whose keys would then go astray.
 */

const mayTakeIt = () => window.self === window.top || document.hasFocus();

/** Focus an element, unless its user is outside of the frame. */
export function focusOn(element, options) {
  if (mayTakeIt()) element?.focus(options);
}
