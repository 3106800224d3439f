// Puts the page together: which source is shown, what is read of it, and what happens when somebody or the server moves.

import * as api from "./api.js";
import { redrawAll } from "./chart.js";
import { byId, h, put, speak } from "./dom.js";
import { listen } from "./events.js";
import { number, percent } from "./format.js";
import { NetworkMap } from "./map/map.js";
import { METRICS } from "./map/metrics.js";
import { charts, choices } from "./panels/charts.js";
import { cures } from "./panels/cures.js";
import { forecast } from "./panels/forecast.js";
import { incidents } from "./panels/incidents.js";
import { situation } from "./panels/situation.js";
import { tables } from "./panels/tables.js";
import { hearJob, whatIf } from "./panels/whatif.js";
import { askForToken, enter } from "./session.js";

const SETTLE_MS = 400;
const AGE_MS = 15000;

const state = { role: null, sources: [], id: null, view: null, subject: null, metricChosen: false, reading: 0 };
const map = new NetworkMap(byId("map"), (link) => chooseLink(link));

const acts = {
  path: (id) => { choose({ kind: "path", id }); show("charts-part"); },
  direction: (id) => { choose({ kind: "link", id }); show("charts-part"); },
  link: (id) => { chooseLink(id); show("map-part"); byId("map").focus({ preventScroll: true }); },
  incident: (id) => api.incident(state.id, id),
};

function show(id) {
  byId(id).scrollIntoView({ block: "nearest" });
}

function trouble(words) {
  const place = byId("trouble");
  place.textContent = words;
  place.hidden = !words;
}

// -- sources ---------------------------------------------------------------------------------------------------------

const RANK = { critical: 0, warning: 1, info: 2, unknown: 3, good: 4 };
const MARK = { critical: "✕", warning: "▲", info: "i", unknown: "?", good: "✓" };

async function readSources() {
  state.sources = await api.sources();
  const wanted = new URLSearchParams(location.search).get("source");
  const known = (id) => state.sources.some((source) => source.id === id);
  if (!known(state.id)) {
    const worst = [...state.sources].sort((one, other) => RANK[one.severity] - RANK[other.severity] || other.updated_s - one.updated_s)[0];
    state.id = known(wanted) ? wanted : worst?.id ?? null;
  }
  listSources();
}

function listSources() {
  put(byId("source"), state.sources.map((source) => h("option", { value: source.id, selected: source.id === state.id },
    `${MARK[source.severity] ?? "?"} ${source.name} (${source.kind}${source.open_incidents ? `, ${source.open_incidents} open` : ""})`)));
}

function chooseSource(id) {
  state.id = id;
  state.subject = null;
  drawn.clear();
  const address = new URL(location.href);
  address.searchParams.set("source", id);
  history.replaceState(null, "", address);
  readView();
}

// -- one source ------------------------------------------------------------------------------------------------------

/** Read everything that is shown; an answer that comes after another source was chosen is dropped. */
async function readView() {
  if (!state.id) {
    byId("headline").textContent = "There is no run and no watch to show.";
    byId("situation").setAttribute("aria-busy", "false");
    return;
  }
  const mine = state.reading += 1;
  try {
    const id = state.id;
    const [overview, network, paths, known, heads, ahead] = await Promise.all([api.overview(id), api.map(id), api.paths(id),
      api.indicators(id), api.incidents(id), api.forecast(id).catch((error) => ({ forecast: null, why: error.message }))]);
    const head = heads.find((one) => one.open) ?? (overview.kind === "run" ? heads[0] : null);
    const incident = head ? await api.incident(id, head.id) : null;
    if (mine !== state.reading) return;
    state.view = { overview, map: network, paths, indicators: known, incidents: heads, incident, forecast: ahead };
    trouble("");
    draw();
  } catch (error) {
    if (mine === state.reading) trouble(`${state.id} cannot be shown: ${error.message}`);
  }
}

/** What each panel shows now.  A watch changes every few seconds, most of it not: a panel is drawn anew only when what it
 *  shows has changed, so that nobody loses the place where he reads, types or chooses. */
const drawn = new Map();

function ifChanged(panel, shown, call) {
  const key = JSON.stringify(shown);
  if (drawn.get(panel) === key) return;
  drawn.set(panel, key);
  call();
}

function draw() {
  const { view } = state;
  const { overview, incident, paths } = view;
  drawSituation();
  if (!state.metricChosen) showMetric(METRIC_OF[incident?.domain?.kind] ?? "utilisation");
  ifChanged("map", [view.map, incident?.domain], () => map.show(view.map, faultsOf(view)));
  ifChanged("incidents", [overview.id, view.incidents, incident], () => incidents(view, acts));
  ifChanged("cures", [overview.id, incident?.cures], () => cures(view));
  ifChanged("forecast", [overview.id, view.forecast], () => forecast(view));
  ifChanged("tables", [paths, view.map], () => tables(view, acts));
  whatIf(view, state.role);
  const first = view.paths.find((path) => path.affected) ?? view.paths[0];
  choose(state.subject ?? (first ? { kind: "path", id: first.id } : { kind: "link", id: view.map.links[0]?.directions[0].id }));
}

/** Link to what is wrong with it, in a few words: the size that diagnosis found, else the kind. */
function faultsOf({ incident, map: { links } }) {
  const { domain } = incident ?? {};
  const found = new Map((domain?.links ?? []).map((id) => [id, domain.kind]));
  for (const suspect of domain?.suspects ?? []) {
    const size = [suspect.loss > 0 && `loss ${percent(suspect.loss)}`, suspect.delay_ms > 0 && `+${number(suspect.delay_ms)} ms`].filter(Boolean).join(", ");
    if (!size) continue;
    for (const link of links) if (found.has(link.id) && link.directions.some((one) => suspect.directions.includes(one.id))) found.set(link.id, size);
  }
  return found;
}

/** What a fault of a kind shows in, until somebody chooses. */
const METRIC_OF = { loss: "loss", "loss and delay": "loss", delay: "latency", "black hole": "loss", loop: "loss" };

function showMetric(id) {
  for (const input of byId("map-metric").querySelectorAll("input")) input.checked = input.value === id;
  map.setMetric(id);
}

/** Its moments grow older by themselves; while somebody is in it with the keyboard it stays as it is. */
function drawSituation() {
  const { view } = state;
  if (view && !byId("situation").contains(document.activeElement)) situation(view, acts);
}

/** Chart this path or direction, and mark it on the map. */
function choose(subject) {
  if (!subject.id) return;
  state.subject = subject;
  const { view } = state;
  ifChanged("choices", [subject, view.paths.map((path) => [path.id, path.state]), view.map.links.map((link) => [link.id, link.suspect])], () => choices(view, subject));
  ifChanged("charts", [view.overview.id, subject, view.paths, view.map], () => charts(view, subject));
  const route = subject.kind === "path" ? view.paths.find((path) => path.id === subject.id)?.route ?? [] : [];
  map.showWay(linksOf(route));
  map.choose(subject.kind === "link" ? view.map.links.find((link) => link.directions.some((one) => one.id === subject.id))?.id ?? null : null);
}

function linksOf(route) {
  const pairs = new Set(route.slice(1).flatMap((node, index) => [`${route[index]} ${node}`, `${node} ${route[index]}`]));
  return state.view.map.links.filter((link) => pairs.has(`${link.a} ${link.b}`)).map((link) => link.id);
}

/** A link of the map: its busier direction, or that which is suspected. */
function chooseLink(id) {
  const link = state.view.map.links.find((one) => one.id === id);
  if (!link) return;
  const [first] = [...link.directions].sort((one, other) => ((other.standing === "suspect") - (one.standing === "suspect"))
    || ((other.utilisation ?? 0) - (one.utilisation ?? 0)));
  choose({ kind: "link", id: first.id });
}

// -- live ------------------------------------------------------------------------------------------------------------

let settling = null;

/** Several events in a row make one reading. */
function readSoon() {
  clearTimeout(settling);
  settling = setTimeout(readView, SETTLE_MS);
}

const hear = {
  source(source) {
    const at = state.sources.findIndex((one) => one.id === source.id);
    if (at < 0) state.sources.push(source);
    else state.sources[at] = source;
    if (!state.id) chooseSource(source.id);
    listSources();
    if (source.id === state.id && source.revision !== state.view?.overview.revision) readSoon();
  },
  gone({ id }) {
    state.sources = state.sources.filter((one) => one.id !== id);
    listSources();
    if (id === state.id) trouble(`The folder of ${id} is gone: what is shown is the last that was read.`);
  },
  samples({ source }) {
    if (source === state.id && state.subject) charts(state.view, state.subject);
  },
  incident({ source, entry, title }) {
    const name = state.sources.find((one) => one.id === source)?.name ?? source;
    speak(`${name}: ${title}. ${entry.kind}: ${entry.text}`);
    if (source === state.id) readSoon();
  },
  job: hearJob,
  reset() {
    drawn.clear();
    readSources().then(readView).catch((error) => trouble(error.message));
  },
};

const LINK_WORDS = { live: "live", lost: "connection lost, trying again", connecting: "connecting" };

function linkState(now) {
  const place = byId("link-state");
  if (now === "live" && place.classList.contains("lost")) hear.reset();
  place.className = `link-state ${now}`;
  byId("link-words").textContent = LINK_WORDS[now];
}

// -- theme and controls ----------------------------------------------------------------------------------------------

const THEMES = ["system", "light", "dark"];

function themeSwitch() {
  const button = byId("theme");
  const root = document.documentElement;
  const label = () => { button.textContent = `Theme: ${root.dataset.theme ?? "system"}`; };
  const repaint = () => { map.retheme(); redrawAll(); };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    try { localStorage.setItem("shadowlab-theme", next); } catch { /* it holds until the page is closed */ }
    label();
    repaint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  label();
}

function controls() {
  themeSwitch();
  byId("source").addEventListener("change", (event) => chooseSource(event.target.value));
  byId("subject").addEventListener("change", (event) => {
    const [kind, ...id] = event.target.value.split(" ");
    choose({ kind, id: id.join(" ") });
  });
  byId("map-metric").append(...METRICS.map((metric, index) => h("label", {},
    h("input", { type: "radio", name: "metric", value: metric.id, checked: index === 0, onchange: () => { state.metricChosen = true; map.setMetric(metric.id); } }), h("span", {}, metric.label))));
}

async function start() {
  controls();
  try {
    state.role = await enter();
    api.whenSessionIsOver(async () => { state.role = await askForToken(); await readView(); });
    await readSources();
    await readView();
    listen(hear, linkState);
    setInterval(drawSituation, AGE_MS);
  } catch (error) {
    trouble(`The page cannot be shown: ${error.message}. Load it again when the server is back.`);
  }
}

// For measurements and tests: the map's own object.
window.shadowlabMap = map;
start();
