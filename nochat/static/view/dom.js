/** The few things that every view needs. What users wrote only ever becomes text. */

export const $ = (id) => document.getElementById(id);

/** An element with properties (`class` and `data-…` too) and children: elements or text. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name === "className" ? "class" : name, value);
  }
  element.append(...children);
  return element;
}

/** Set a text only where it changed: screen readers announce every write. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make a list's children those of `items`, by key: elements that are there already stay, so that
 * only what is new is announced and the focus is not lost.
 */
export function sync(list, items, make, update) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let next = list.firstElementChild;
  for (const item of items) {
    let child = old.get(item.key);
    if (!child) {
      child = make(item);
      child.dataset.key = item.key;
    }
    old.delete(item.key);
    if (child === next) next = next.nextElementSibling;
    else list.insertBefore(child, next);
    update(child, item);
  }
  for (const child of old.values()) child.remove();
}
