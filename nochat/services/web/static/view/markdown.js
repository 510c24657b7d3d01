/** A message's tree as elements. What users wrote only ever becomes text, and addresses of http. */

import { addressOfLink } from "../address.js";
import { parse } from "../markdown.js";
import { identity } from "../text.js";
import { el } from "./dom.js";

const INLINE = {
  strong: ({ nodes }, user) => el("strong", {}, ...drawn(nodes, user)),
  em: ({ nodes }, user) => el("em", {}, ...drawn(nodes, user)),
  code: ({ text }) => el("code", { dir: "ltr" }, text),
  mention: ({ text, user: named }, user) =>
    el("mark", { className: identity(named) === identity(user) ? "me" : "" }, text),
  link,
};

const BLOCKS = {
  text: ({ nodes }, user) => el("p", { dir: "auto" }, ...drawn(nodes, user)),
  quote: ({ blocks }, user) => el("blockquote", {}, ...blocks.map((each) => block(each, user))),
  pre({ text, language }) {
    const code = el("pre", { dir: "ltr" }, el("code", {}, text));
    if (language) code.dataset.language = language;
    return code;
  },
  list({ ordered, items }, user) {
    const list = el(ordered ? "ol" : "ul", {});
    for (const { number, nodes, lists } of items) {
      const item = el("li", { dir: "auto" }, ...drawn(nodes, user), ...lists.map((each) => block(each, user)));
      if (ordered) item.value = number;
      list.append(item);
    }
    return list;
  },
};

/** A message's text as elements and strings; one block of text needs no paragraph around it. */
export function rendered(text, user, names) {
  const blocks = parse(text, names);
  if (blocks.length === 1 && blocks[0].type === "text") return drawn(blocks[0].nodes, user);
  return blocks.map((each) => block(each, user));
}

const block = (each, user) => BLOCKS[each.type](each, user);
const drawn = (nodes, user) =>
  nodes.map((node) => (typeof node === "string" ? node : INLINE[node.type](node, user)));

/** A link opens beside the chat, unless it leads into it; one to another host than is read says so. */
function link({ text, href, host }) {
  const inside = addressOfLink(href);
  if (inside) return el("a", { href: inside, dir: "ltr" }, text);
  const shown = el("a", { href, target: "_blank", rel: "noopener noreferrer", dir: "ltr" }, text);
  if (!text.toLowerCase().includes(host)) shown.title = href;
  return shown;
}
