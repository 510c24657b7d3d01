/** Trends: what people do in public rooms, as plots that are tables, or have one. */

import { $, el, say } from "../view/dom.js";
import * as api from "./api.js";
import { svg } from "./svg.js";
import { nameOf, words } from "./words.js";

const HOURS = [...Array(24).keys()];
const [WIDTH, HEIGHT, FOOT] = [480, 270, 28];

export class Trends {
  #found = null;
  #asked = 0;
  #failed;
  #shown = "";

  /** @param failed called with the error of a call. */
  constructor({ failed }) {
    this.#failed = failed;
    $("since").value = "0";
    $("since").addEventListener("change", () => this.load());
  }

  async load() {
    const span = Number($("since").value);
    try {
      const since = span ? Date.now() / 1000 - span : 0;
      this.#found = await api.trends(since);
      this.#asked = since;
      this.render();
    } catch (error) {
      this.#failed(error);
    }
  }

  render() {
    if (!this.#found) return;
    const shown = JSON.stringify([words.language, this.#found]);
    if (shown === this.#shown) return; // whoever reads the table of a plot keeps it open
    this.#shown = shown;
    const { users, rooms, words: said, hours, messages, connections, titles } = this.#found;
    const since = new Date(this.#found.since * 1000);
    const cut = this.#found.since > this.#asked;
    say($("trends-since"), cut ? words.trendsSince(words.moment(since)) : "");
    say($("trend-messages"), words.number(messages));
    say($("trend-connections"), words.number(connections));
    const titled = rooms.map(([room, count]) => [titles[room] ?? room, count]);
    $("plots").replaceChildren(
      ranking(words.plotUsers, words.nameLabel, users.map(([user, count]) => [nameOf(user), count])),
      ranking(words.plotRooms, words.roomLabel, titled),
      ranking(words.plotWords, words.word, said),
      byHour(hours),
    );
  }
}

/** A table whose middle column is drawn. */
function ranking(title, what, pairs) {
  const most = Math.max(1, ...pairs.map(([, count]) => count));
  const rows = pairs.map(([name, count]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      el("td", { className: "drawn" }, bar(count / most)),
      el("td", { className: "number" }, words.number(count)),
    ),
  );
  return plot(title, pairs.length, table(title, [what, words.share, words.count], rows));
}

function bar(share) {
  const shape = svg("rect", { width: `${share * 100}%`, height: "100%", rx: 4 });
  return svg("svg", { class: "bar", "aria-hidden": "true" }, shape);
}

function byHour(hours) {
  const counts = new Map(hours);
  const most = Math.max(1, ...counts.values());
  const [busiest] = [...hours].sort((a, b) => b[1] - a[1]);
  const step = WIDTH / HOURS.length;
  const drawn = HOURS.flatMap((hour) => {
    const height = ((counts.get(hour) ?? 0) / most) * (HEIGHT - FOOT - 24);
    const x = hour * step;
    const y = HEIGHT - FOOT - height;
    const label = svg("text", { x: x + step / 2, y: HEIGHT - 6 }, hour % 3 ? "" : String(hour));
    return [svg("rect", { x: x + 2, y, width: step - 4, height, rx: 3 }), label];
  });
  if (busiest) drawn.push(peak(...busiest));
  const ground = svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT - FOOT, y2: HEIGHT - FOOT });
  const said = busiest ? words.busiest(...busiest) : words.noTrend;
  const name = `${words.plotHours}. ${said}`;
  const frame = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": name, class: "columns" };
  const rows = hours.map(([hour, count]) =>
    el("tr", {}, el("th", { scope: "row" }, String(hour)), el("td", { className: "number" }, words.number(count))),
  );
  const told = table(words.plotHours, [words.hour, words.count], rows, "unseen");
  const asTable = el("details", {}, el("summary", {}, words.asTable), told);
  const title = el("h3", {}, words.plotHours);
  return plot(words.plotHours, hours.length, el("div", {}, title, svg("svg", frame, ground, ...drawn), asTable));
}

/** How many it was at the busiest hour, above its bar and inside the picture. */
function peak(hour, count) {
  const x = Math.min(WIDTH - 30, Math.max(30, ((hour + 0.5) * WIDTH) / HOURS.length));
  return svg("text", { x, y: 17, class: "peak" }, words.number(count));
}

function table(title, heads, rows, hide = "") {
  const head = (text, at) =>
    el("th", { scope: "col", className: at === heads.length - 1 ? "number" : "" }, text);
  const caption = el("caption", { className: hide }, title);
  return el("table", {}, caption, el("thead", {}, el("tr", {}, ...heads.map(head))), el("tbody", {}, ...rows));
}

function plot(title, count, content) {
  if (count) return el("div", { className: "card plot" }, content);
  return el("div", { className: "card plot" }, el("h3", {}, title), el("p", { className: "hint" }, words.noTrend));
}
