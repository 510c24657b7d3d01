/** The architecture as a picture: drawn anew when its parts change, else only its numbers move. */

import { layout } from "./layout.js";
import { DEAD_LETTERS } from "./rates.js";
import { put, svg } from "./svg.js";
import { words } from "./words.js";

const NARROW = 760; // pixels
const PIPS = 4; // instances that are drawn one by one
const LEVELS = 8; // of how thick a line is, and how close its dots
const MANY = 1000; // messages that fill a queue's bar

export const perSecond = (rate) =>
  words.perSecondOf(rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate));

/** From nothing (0) over less than one a second (1), doubling each time. */
const level = (rate) =>
  rate > 0.02 ? Math.min(LEVELS, Math.max(1, Math.round(Math.log2(rate) + 2))) : 0;

const share = (messages) => Math.min(1, Math.log1p(messages) / Math.log1p(MANY));

export class Diagram {
  #place;
  #shape = "";
  #parts = new Map();
  #view = null;

  constructor(place) {
    this.#place = place;
    new ResizeObserver(() => this.#view && this.render(this.#view)).observe(place);
  }

  render(view) {
    this.#view = view;
    const names = view.services.map(({ name }) => name);
    const narrow = this.#place.clientWidth < NARROW;
    const queues = view.queues.map(({ name }) => name);
    const stores = new Map(view.services.filter(({ store }) => store).map(({ name, store }) => [name, store]));
    const shape = JSON.stringify([words.language, narrow, names, queues, view.bus, ...stores]);
    if (shape !== this.#shape) this.#draw(view, names, stores, narrow);
    this.#shape = shape;
    view.services.forEach((each) => this.#showService(each));
    view.queues.forEach((each) => this.#showQueue(each));
  }

  #draw(view, names, stores, narrow) {
    const plan = layout(names, view.queues.length, stores, narrow);
    const picture = svg("svg", {
      viewBox: `0 0 ${plan.width} ${plan.height}`,
      class: narrow ? "narrow" : "wide",
      role: "img",
      "aria-label": words.diagram(words.part(view.bus)),
    });
    this.#parts.clear();
    for (const line of plan.lines) picture.append(...this.#line(line));
    for (const [name, box] of Object.entries(plan.boxes)) {
      if (name === "browsers") picture.append(labelled(box, words.browsers, "browsers"));
      else if (name === "broker") picture.append(this.#broker(box, view));
      else if (name.startsWith("store ")) picture.append(cylinder(box, words.part(stores.get(name.slice(6)))));
      else if (names.includes(name)) picture.append(this.#service(box, name));
    }
    this.#place.replaceChildren(picture);
  }

  #line({ of, way, d }) {
    const line = svg("path", { d, class: `line ${way}` });
    const dots = svg("path", { d, class: `dots ${way}` });
    const found = this.#parts.get(`lines ${of}`) ?? [];
    this.#parts.set(`lines ${of}`, [...found, { way, paths: [line, dots] }]);
    return [line, dots];
  }

  #broker(box, { bus, queues }) {
    const group = labelled({ ...box, title: true }, words.part(bus), "broker");
    queues.forEach(({ name }, at) => {
      const y = box.y + 46 + (at + 0.5) * box.row;
      const right = box.x + box.w - 14;
      const pip = svg("circle", { cx: box.x + 18, cy: y - 5, r: 4.5 });
      const label = svg("text", { x: box.x + 30, y, class: "queue" }, name);
      const count = svg("text", { x: right, y, class: "queue-count" });
      const track = { x: box.x + 30, y: y + 4, height: 4, rx: 2 };
      const bar = svg("rect", { ...track, width: 0, class: "bar" });
      const back = svg("rect", { ...track, width: right - track.x, class: "track" });
      const row = svg("g", { class: "queue-row" }, pip, label, count, back, bar);
      this.#parts.set(`queue ${name}`, { row, count, bar, width: right - track.x });
      group.append(row);
    });
    return group;
  }

  #service({ x, y, w, h }, name) {
    const pips = svg("g", { class: "pips" });
    const incoming = svg("text", { x: x + 12, y: y + 53, class: "in" });
    const outgoing = svg("text", { x: x + 12, y: y + 76, class: "out" });
    const title = svg("text", { x: x + 12, y: y + 27, class: "title" }, name.replace("_", " "));
    const box = svg("rect", { x, y, width: w, height: h, rx: 10 });
    const group = svg("g", { class: "service" }, box, title, pips, incoming, outgoing);
    this.#parts.set(`service ${name}`, { group, pips, incoming, outgoing, right: x + w - 12, y: y + 47 });
    return group;
  }

  #showService({ name, instances, gone, ...rates }) {
    const part = this.#parts.get(`service ${name}`);
    if (!part) return;
    const runs = instances.length > 0;
    put(part.group, "class", runs ? "service" : "service stopped");
    part.incoming.textContent = runs ? `${words.incoming} ${perSecond(rates.in)}` : words.notRunning;
    part.outgoing.textContent = runs ? `${words.outgoing} ${perSecond(rates.out)}` : "";
    part.pips.replaceChildren(...pips(part, instances.length, gone.length));
    for (const { way, paths } of this.#parts.get(`lines ${name}`) ?? []) {
      const rate = way === "in" || way === "store" ? rates.in : rates.out;
      for (const path of paths) put(path, "data-level", runs ? level(rate) : 0);
    }
  }

  #showQueue({ name, messages, consumers, change }) {
    const part = this.#parts.get(`queue ${name}`);
    const idle = consumers === 0 && name !== DEAD_LETTERS;
    const full = messages > 0 && (idle || change > 0 || name === DEAD_LETTERS);
    const kinds = { idle, full, letters: name === DEAD_LETTERS };
    put(part.row, "class", ["queue-row", ...Object.keys(kinds).filter((kind) => kinds[kind])].join(" "));
    part.count.textContent = words.number(messages);
    put(part.bar, "width", Math.round(share(messages) * part.width));
  }
}

function labelled({ x, y, w, h, title }, text, kind) {
  const box = svg("rect", { x, y, width: w, height: h, rx: 12 });
  const at = { x: x + w / 2, y: title ? y + 30 : y + h / 2 + 7, class: "title" };
  return svg("g", { class: kind }, box, svg("text", at, text));
}

function cylinder({ x, y, w, h }, text) {
  const [rx, ry] = [w / 2, 9];
  const body = `M ${x} ${y + ry} v ${h - 2 * ry} a ${rx} ${ry} 0 0 0 ${w} 0 v ${2 * ry - h}`;
  const lid = svg("ellipse", { cx: x + rx, cy: y + ry, rx, ry });
  const label = svg("text", { x: x + rx, y: y + h / 2 + 13 }, text);
  return svg("g", { class: "store" }, svg("path", { d: body }), lid, label);
}

/** A circle for each instance, an empty one for each that vanished; a number where they are many. */
function pips({ right, y }, alive, gone) {
  const kinds = [...Array(alive).fill("live"), ...Array(gone).fill("gone")].slice(-PIPS);
  const circles = kinds.map((kind, at) => svg("circle", { cx: right - 6 - at * 16, cy: y, r: 5.5, class: kind }));
  const more = svg("text", { x: right, y: y + 29, class: "times" });
  more.textContent = alive > 1 ? `×${alive}` : "";
  return [...circles, more];
}
