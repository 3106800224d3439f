// Ask what would happen: a question becomes a run on the server, with its progress and, at the end, its answer.

import * as api from "../api.js";
import { byId, h, put, speak } from "../dom.js";
import { number, percent, plural, span, withUnit } from "../format.js";

const DEFAULT_KINDS = [{ name: "growth", meaning: "more or less traffic", example: "growth=1.5" }];
const MOST_JOBS = 8;

const own = { view: null, role: null, kinds: DEFAULT_KINDS, scenarios: [], jobs: new Map(), answers: new Map(), trouble: "" };

/** `list` is the place of the jobs: they change often, and the form must keep what somebody types. */
let list = null;

export async function whatIf(view, role) {
  const changed = own.view?.overview.id !== view.overview.id || own.role !== role || own.view?.overview.can_ask !== view.overview.can_ask;
  own.view = view;
  own.role = role;
  if (!changed && list) return;
  list = h("div", { "aria-live": "polite" });
  put(byId("whatif"), form(), list);
  showJobs();
  try {
    const [kinds, jobs] = await Promise.all([api.kinds(), api.jobs()]);
    if (kinds.length) own.kinds = kinds;
    for (const job of jobs) own.jobs.set(job.id, job);
    put(byId("whatif"), form(), list);
    showJobs();
  } catch (error) {
    trouble(error.message);
  }
}

/** The server tells of a job. */
export function hearJob(job) {
  const before = own.jobs.get(job.id);
  own.jobs.set(job.id, job);
  if (before && before.state !== job.state && job.state !== "running") speak(`What if ${job.scenarios.join(", ")}: ${job.state}. ${job.headline}`);
  if (list) showJobs();
}

function refusal() {
  if (own.role === "read-only") return "This token may only read. An operator's token is needed to start a run.";
  if (!own.view.overview.can_ask) return own.view.overview.why_not_ask || "This source cannot be asked.";
  return "";
}

function form() {
  const why = refusal();
  if (why) return h("p", { class: "note" }, why);
  const asked = h("ul", { class: "asked", "aria-label": "Asked together" });
  const input = h("input", { type: "text", id: "scenario", spellcheck: "false", autocomplete: "off", maxlength: 200, value: own.kinds[0].example });
  const meaning = h("p", { class: "note" }, own.kinds[0].meaning);
  const kind = h("select", { onchange: () => {
    const chosen = own.kinds[kind.selectedIndex];
    input.value = chosen.example;
    meaning.textContent = chosen.meaning;
  } }, own.kinds.map((one) => h("option", {}, one.name)));
  const words = h("p", { class: "notice", role: "alert", id: "whatif-trouble", hidden: true });
  const showAsked = () => put(asked, own.scenarios.map((scenario, index) => h("li", {}, h("code", {}, scenario),
    h("button", { type: "button", "aria-label": `Leave out ${scenario}`, onclick: () => { own.scenarios.splice(index, 1); showAsked(); input.focus(); } }, "×"))));
  const add = () => {
    if (input.value.trim() && !own.scenarios.includes(input.value.trim())) own.scenarios.push(input.value.trim());
    showAsked();
  };
  showAsked();
  return h("form", { class: "form", onsubmit: async (event) => {
    event.preventDefault();
    const scenarios = own.scenarios.length ? [...own.scenarios] : [input.value.trim()];
    if (!scenarios[0]) return;
    trouble("");
    try {
      hearJob(await api.askWhatIf({ source: own.view.overview.id, scenarios, each: false }));
      own.scenarios = [];
      showAsked();
      speak("The run has been asked for.");
    } catch (error) { trouble(error.message); }
  } },
  h("div", { class: "row" }, h("label", {}, "What happens", kind), h("label", {}, "Exactly", input)),
  meaning, asked,
  h("div", { class: "row" }, h("button", { type: "submit", class: "main" }, "Try it in the shadow"),
    h("button", { type: "button", onclick: add }, "And also …")),
  words);
}

function trouble(words) {
  const place = byId("whatif-trouble");
  if (!place) return;
  place.textContent = words;
  place.hidden = !words;
}

function showJobs() {
  const mine = [...own.jobs.values()].filter((job) => job.source === own.view.overview.id)
    .sort((one, other) => other.asked_s - one.asked_s).slice(0, MOST_JOBS);
  put(list, mine.map(one));
}

const BADGES = { failed: ["bad", "✕ failed"], "timed out": ["bad", "✕ timed out"], running: ["warn", "running"], stopped: ["", "stopped"], waiting: ["", "waiting"] };

/** A level that is broken and one that might be are told apart in the answer; the job only says whether all surely hold. */
function badge(job) {
  const [look, words] = BADGES[job.state] ?? (job.holds ? ["good", "✓ every level holds"] : job.holds === false ? ["warn", "▲ not surely kept"] : ["", "done"]);
  return h("span", { class: `badge ${look}` }, words);
}

function one(job) {
  const going = job.state === "waiting" || job.state === "running";
  const began = job.began_s ?? job.asked_s;
  return h("article", { class: "job", "aria-label": `What if ${job.scenarios.join(" and ")}` },
    h("header", {}, h("h3", {}, job.scenarios.map((scenario, index) => [index ? " + " : "", h("code", {}, scenario)])),
      badge(job),
      going && own.role !== "read-only" ? h("button", { type: "button", class: "quiet", onclick: () => api.stopJob(job.id).then(hearJob, (error) => trouble(error.message)) }, "Stop") : null),
    going ? [h("progress", { max: 1, value: job.fraction ?? undefined, "aria-label": "Progress" }),
      h("p", { class: "note" }, `${job.stage || "waiting for a free place"}${job.fraction === null ? "" : `, ${percent(job.fraction)}`}`)] : null,
    job.error ? h("p", { class: "notice" }, job.error) : null,
    job.headline ? h("p", {}, h("strong", {}, job.headline)) : null,
    job.ended_s ? h("p", { class: "note" }, `took ${span(job.ended_s - began)}`) : null,
    job.state === "done" ? answer(job) : null);
}

function answer(job) {
  const body = h("div", {});
  const show = (document) => put(body, document.variants.map(variant), provenance(document.provenance));
  const kept = own.answers.get(job.id);
  if (kept) show(kept);
  return h("details", { open: !!kept, ontoggle: async (event) => {
    if (!event.target.open || own.answers.has(job.id)) return;
    try {
      const document = await api.answerOf(job.id);
      own.answers.set(job.id, document);
      show(document);
    } catch (error) { put(body, h("p", { class: "notice" }, error.message)); }
  } }, h("summary", {}, "The answer"), body);
}

function variant(one) {
  const worst = one.predictions.slice(0, 12);
  const unit = (kpi) => own.view.indicators.find((one) => one.kpi === kpi)?.unit ?? "";
  const show = (value, row) => withUnit(value, unit(row.kpi));
  const interval = (row) => `${show(row.predicted.mean, row)} (${show(row.predicted.low, row)} to ${show(row.predicted.high, row)})`;
  return [h("p", {}, h("strong", {}, one.name), `: ${one.verdict}; ${plural(one.broken, "level")} broken, ${one.unsure} unsure. ${one.changes.join("; ")}`),
    one.cut.length ? h("p", {}, `✕ cut off: ${one.cut.join(", ")}`) : null,
    one.faults.map((words) => h("p", { class: "notice" }, words)),
    worst.length ? h("div", { class: "table-frame", tabindex: 0, role: "region", "aria-label": `Predictions, ${one.name}` }, h("table", {},
      h("thead", {}, h("tr", {}, [["Level"], ["Where"], ["Limit", 1], ["Predicted", 1], ["Says"]].map(([words, numeric]) => h("th", { scope: "col", class: numeric ? "number" : "" }, words)))),
      h("tbody", {}, worst.map((row) => h("tr", { class: row.verdict === "holds" ? "" : "hit" }, h("th", { scope: "row" }, row.level), h("td", {}, row.subject),
        h("td", { class: "number" }, show(row.limit, row)), h("td", { class: "number" }, row.predicted ? interval(row) : "–"), h("td", {}, row.verdict)))))) : null];
}

function provenance(from) {
  if (!from) return null;
  return h("p", { class: "note" }, `${plural(from.runs, "run")} of ${number(from.seconds)} s network time on ${from.kernel}${from.scale_factor > 1 ? `, scaled by ${number(from.scale_factor)}` : ""}.`);
}
