/** The system at work: the diagram, and tables with the same numbers. */

import { $, el, say } from "../view/dom.js";
import { Diagram, perSecond } from "./diagram.js";
import { DEAD_LETTERS, Rates } from "./rates.js";
import { svg } from "./svg.js";
import { figure, fillRows } from "./table.js";
import { words } from "./words.js";

const FEW = 20; // rates that are drawn over the whole width
const TYPES = 12; // of events that are listed: those most sent of late

const date = (seconds) => new Date(seconds * 1000);

export class System {
  #rates = new Rates();
  #diagram = new Diagram($("diagram"));
  #view = null;
  #paused = false;

  /** @param pause called with whether to pause. */
  constructor({ pause }) {
    $("pause").addEventListener("click", () => {
      this.#paused = !this.#paused;
      pause(this.#paused);
      this.render();
    });
  }

  /** Take an answer of the chat's; gives how many dead letters there are. */
  take(answer) {
    this.#view = this.#rates.take(answer);
    this.render();
    return this.#view.queues.find(({ name }) => name === DEAD_LETTERS)?.messages ?? 0;
  }

  /** Show what was taken last, in the language in use. */
  render() {
    say($("pause"), this.#paused ? words.goOn : words.pause);
    $("pause").setAttribute("aria-pressed", this.#paused);
    $("system").classList.toggle("paused", this.#paused);
    const view = this.#view;
    if (!view) return;
    say($("moment"), (this.#paused ? words.pausedAt : words.asOf)(date(view.at)));
    this.#figures(view);
    this.#diagram.render(view);
    fillRows($("queue-rows"), view.queues.map(queueRow));
    fillRows($("event-rows"), mostSent(view.events).map(eventRow));
    fillRows($("service-rows"), view.services.flatMap(serviceRows));
  }

  #figures({ services, queues, rate }) {
    const stopped = services.filter((it) => !it.instances.length);
    const lost = services.filter((it) => it.instances.length && it.gone.length);
    const working = queues.filter(({ name }) => name !== DEAD_LETTERS);
    const letters = queues.find(({ name }) => name === DEAD_LETTERS)?.messages ?? 0;
    say($("figure-rate"), words.number(Math.round(rate)));
    say($("figure-services"), words.ofAll(services.length - stopped.length, services.length));
    say($("figure-waiting"), words.number(working.reduce((sum, it) => sum + it.messages, 0)));
    say($("figure-letters"), words.number(letters));
    $("figure-services").classList.toggle("bad", stopped.length > 0);
    $("figure-letters").classList.toggle("bad", letters > 0);
    const said = [
      ...(stopped.length ? [words.stopped(stopped.map(({ name }) => name))] : []),
      ...(lost.length ? [words.lost(lost.map(({ name }) => name))] : []),
    ];
    say($("alarm"), said.join(" · "));
  }
}

function queueRow({ name, messages, consumers, change }) {
  const rounded = Math.round(change * 10) / 10;
  const moved = rounded ? `${rounded > 0 ? "+" : ""}${words.perSecondOf(rounded)}` : "";
  const alone = consumers === 0 && name !== DEAD_LETTERS;
  return {
    key: name,
    className: alone || (messages && name === DEAD_LETTERS) ? "bad" : "",
    cells: [name, figure(words.number(messages)), figure(moved), figure(words.number(consumers))],
  };
}

/** By what was sent in the last minutes, so that the order does not jump with every answer. */
function mostSent(events) {
  const lately = ({ history }) => history.reduce((sum, rate) => sum + rate, 0);
  return [...events].sort((a, b) => lately(b) - lately(a) || b.count - a.count).slice(0, TYPES);
}

function eventRow({ type, count, history, rate }) {
  const cells = [type, figure(perSecond(rate)), sparkline(history), figure(words.number(count))];
  return { key: type, cells };
}

function sparkline(history) {
  const most = Math.max(1, ...history);
  const width = Math.max(FEW, history.length);
  const left = width - history.length;
  const points = history.map((rate, at) => `${left + at},${24 - (rate / most) * 22}`);
  const line = svg("polyline", { points: points.join(" ") });
  const frame = { viewBox: `0 0 ${width - 1} 25`, preserveAspectRatio: "none", class: "sparkline" };
  return svg("svg", { ...frame, "aria-hidden": "true" }, line);
}

function serviceRows({ name, instances, gone }) {
  const live = instances.map((it) => ({ key: it.instance, cells: [name, ...instanceCells(it)] }));
  const lost = gone.map((it) => ({ key: it.instance, className: "bad", cells: [name, ...goneCells(it)] }));
  if (live.length + lost.length) return [...live, ...lost];
  return [{ key: name, className: "bad", cells: [name, words.notRunning, ...Array(8).fill("")] }];
}

function instanceCells(it) {
  const counted = (count, rate) => figure(`${words.number(count)} (${perSecond(rate)})`);
  return [
    it.instance,
    it.host,
    figure(String(it.pid)),
    el("time", { dateTime: date(it.since).toISOString() }, words.moment(date(it.since))),
    counted(it.handled, it.in),
    counted(it.published, it.out),
    figure(words.number(it.failed)),
    figure(words.megabytes(Math.round(it.memory / 1e6))),
    figure(words.percent(Math.round(it.busy))),
  ];
}

function goneCells(it) {
  const counts = [it.handled, it.published, it.failed].map((count) => figure(words.number(count)));
  return [it.instance, it.host, figure(String(it.pid)), words.goneAt(date(it.at)), ...counts, "", ""];
}
