// Incidents with their life, as a list of what happened when.

import { byId, h, put } from "../dom.js";
import { moment, percent, plural, some } from "../format.js";

/** Those that somebody opened, or closed, stay so when there is news. */
const opened = new Map();

const MARK = { critical: "✕", warning: "▲", info: "i" };

export function incidents({ overview, incidents: heads, incident }, acts) {
  const unix = overview.clock === "unix";
  if (!heads.length) {
    put(byId("incidents"), h("p", { class: "note" }, "None: nothing left its baseline."));
    return;
  }
  put(byId("incidents"), heads.map((head) => one(head, head.id === incident?.id ? incident : null, unix, acts)));
}

function one(head, whole, unix, acts) {
  const body = h("div", {});
  if (whole) put(body, course(whole, unix));
  const state = head.open ? `open since ${moment(head.opened_s, unix)}` : `resolved ${moment(head.resolved_s, unix)}`;
  return h("details", { class: "incident", open: opened.get(head.id) ?? !!whole, ontoggle: async (event) => {
    opened.set(head.id, event.target.open);
    if (!event.target.open || body.childElementCount) return;
    put(body, h("p", { class: "note" }, "Reading …"));
    try { put(body, course(await acts.incident(head.id), unix)); } catch (error) { put(body, h("p", { class: "notice" }, error.message)); }
  } },
  h("summary", {}, h("h3", {}, head.title), " ",
    h("span", { class: `badge ${head.open ? (head.severity === "critical" ? "bad" : "warn") : ""}` }, head.open ? `${MARK[head.severity] ?? ""} ${state}` : `✓ ${state}`)),
  body);
}

function course(incident, unix) {
  const { domain } = incident;
  return [
    domain ? h("p", { class: "note" }, `${domain.kind} on ${some(domain.links)}, ${percent(domain.confidence)} sure; ${plural(incident.paths.length, "path")} and ${plural(domain.flows, "flow")} affected.`) : null,
    h("ol", { class: "timeline" }, incident.timeline.map((entry) => h("li", { class: entry.kind },
      h("p", {}, h("time", {}, moment(entry.at_s, unix)), h("span", { class: "kind" }, entry.kind), h("br"), entry.text)))),
    domain?.evidence.length ? h("details", {}, h("summary", {}, "What it stands on"), h("ul", {}, domain.evidence.map((words) => h("li", {}, words)),
      domain.trials.map((trial) => h("li", {}, `${trial.name}: ${trial.words}; explains ${percent(trial.explained)}, Bayes factor 10^${trial.log10_bayes}`)))) : null,
    domain?.runners_up.length ? h("p", { class: "note" }, `Else it might be ${some(domain.runners_up.map((suspect) => suspect.name))}.`) : null,
  ];
}
