/** The management page's wiring: who looks, which tab is open, and what is asked again and again. */

import { prefer, preference, wear } from "../preferences.js";
import * as session from "../session.js";
import { closeDialogs, wireDialogs } from "../view/dialogs.js";
import { $, el, say } from "../view/dom.js";
import { afterPress } from "../view/press.js";
import * as api from "./api.js";
import { Letters } from "./letters.js";
import { AccountLog } from "./log.js";
import { Poll } from "./poll.js";
import { Rooms } from "./rooms.js";
import { System } from "./system.js";
import { wireTabs } from "./tabs.js";
import { Trends } from "./trends.js";
import { Users } from "./users.js";
import { LANGUAGES, speak, words } from "./words.js";

const EVERY = 2; // seconds between two looks at the services
const SELDOM = 6; // and at the list that is open

let who = ""; // is logged in
let views = null;
let current = "system";
let dead = 0;
let gate = null; // why there is nothing to see: a function, as the language may change

const watching = new Poll(EVERY, watch);
const listing = new Poll(SELDOM, () => views[current].load?.());

wear(preference("theme"));
chooseBy("theme", wear);
chooseBy("language", translate);
translate(preference("language"));
wireDialogs();
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  (views ? $(current) : $("gate")).focus();
});
session.watch(() => who, () => location.reload());
enter();

/** Look who it is; while the chat does not answer, look again. */
async function enter() {
  try {
    const { user, role } = await api.me();
    who = user;
    if (!user) close(() => words.notLoggedIn);
    else if (role !== "manager") close(() => words.noManager(user));
    else open();
  } catch (error) {
    close(() => words.trouble(error.message));
    setTimeout(enter, EVERY * 1000);
  }
}

function open() {
  gate = null;
  $("gate").hidden = true;
  $("manage").hidden = false;
  views = {
    system: new System({ pause: (wanted) => (wanted ? watching.stop() : watching.start()) }),
    "dead-letters": new Letters({ failed }),
    users: new Users({ me: who, failed }),
    rooms: new Rooms({ failed }),
    log: new AccountLog({ failed }),
    trends: new Trends({ failed }),
  };
  watching.start();
  wireTabs($("tabs"), opened);
}

function opened(tab) {
  current = tab;
  // The letters are loaded when their number changes, as each look moves them in the broker.
  if (["rooms", "log", "trends"].includes(tab)) listing.start();
  else listing.stop();
  if (tab === "users" || tab === "dead-letters") views[tab].load();
}

function close(reason) {
  gate = reason;
  watching.stop();
  listing.stop();
  closeDialogs();
  $("manage").hidden = true;
  $("gate").hidden = false;
  say($("gate-reason"), gate());
}

async function watch() {
  try {
    const answer = await api.services();
    await new Promise(afterPress);
    if (!watching.running) return;
    say($("banner"), "");
    count(views.system.take(answer));
  } catch (error) {
    failed(error);
  }
}

function count(letters) {
  say($("letters-badge"), words.number(letters));
  $("letters-badge").hidden = letters === 0;
  if (letters !== dead && current === "dead-letters") views[current].load();
  dead = letters;
}

function failed(error) {
  if (error.status === 401) close(() => words.signedOutHere);
  else if (error.status === 403) close(() => words.noManager(who));
  else say($("banner"), words.trouble(error.message));
}

function translate(language) {
  speak(language);
  document.title = `NoChat: ${words.management}`;
  const options = Object.values(LANGUAGES).map((it) => el("option", { value: it.language, lang: it.language }, it.name));
  $("language").replaceChildren(el("option", { value: "" }, words.ofBrowser), ...options);
  $("language").value = preference("language");
  if (gate) say($("gate-reason"), gate());
  for (const view of Object.values(views ?? {})) view.render();
}

function chooseBy(name, act) {
  $(name).value = preference(name);
  $(name).addEventListener("change", ({ target }) => {
    prefer(name, target.value);
    act(target.value);
  });
}
