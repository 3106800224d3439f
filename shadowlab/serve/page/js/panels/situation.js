// What is broken, where, since when, how sure, what to do, what it would do: read in this order at three in the morning.

import { byId, h, put } from "../dom.js";
import { moment, number, percent, plural, some, span, withUnit } from "../format.js";

const SEVERITY = {
  good: { words: "No trouble", mark: "✓", badge: "good", look: "good" },
  info: { words: "Notice", mark: "i", badge: "", look: "" },
  warning: { words: "Warning", mark: "▲", badge: "warn", look: "warned" },
  critical: { words: "Fault", mark: "✕", badge: "bad", look: "broken" },
  unknown: { words: "Not known", mark: "?", badge: "", look: "" },
};

export function situation(view, acts) {
  const { overview, incident } = view;
  const severity = SEVERITY[incident?.open ? incident.severity : overview.severity] ?? SEVERITY.unknown;
  const section = byId("situation");
  section.className = `situation ${severity.look}`;
  section.setAttribute("aria-busy", "false");
  put(byId("state"), h("span", { class: `badge ${severity.badge}` }, `${severity.mark} ${severity.words}`),
    h("span", {}, overview.title || overview.name), stateOf(overview), trust(overview));
  byId("headline").textContent = (incident?.open && overview.kind === "watch" ? incident.title : overview.headline) || "Nothing is known yet.";
  document.title = `${severity.mark} ${overview.name} · ShadowLab`;
  const answers = incident ? ofIncident(view, acts) : ofCalm(view);
  put(byId("answers"), answers.filter(Boolean).map(([question, first, more, look]) => h("div", { class: look },
    h("dt", {}, question), h("dd", {}, h("span", { class: "first" }, first), more ? h("span", { class: "more" }, more) : null))));
}

function stateOf(overview) {
  const { now } = overview;
  if (overview.kind === "run") {
    const long = `run of ${span((overview.to_s ?? 0) - (overview.from_s ?? 0))}`;
    return h("span", {}, overview.state === "finished" ? long : `${long}, ${overview.state}`);
  }
  const age = `last news ${span(Date.now() / 1000 - overview.updated_s)} ago`;
  // What a dead watch says is history, however calm it looks.
  if (overview.state !== "watching") return h("span", { class: "badge warn" }, `▲ the watch is ${overview.state}, ${age}`);
  return h("span", {}, now ? `watching, cycle ${now.cycle}: ${now.stage}, ${age}` : `watching, ${age}`);
}

/** A shadow that is not true makes everything on the page doubtful: that is said at the top, not below. */
function trust({ fidelity, valid, validity }) {
  if (valid === false) return h("span", { class: "badge warn", title: validity }, "▲ not to be believed: ", validity);
  if (!fidelity || fidelity.standing === "true" || fidelity.standing === "unknown") return null;
  return h("span", { class: "badge warn", title: fidelity.worst }, `▲ shadow ${fidelity.standing}: ${number(fidelity.score)} × noise`);
}

function ofIncident({ overview, incident, paths }, acts) {
  const { domain } = incident;
  const unix = overview.clock === "unix";
  const cure = incident.cures.find((one) => !one.nothing && !one.note && one.recovered > 0);
  const nothing = incident.cures.find((one) => one.nothing);
  return [
    ["What is broken", broken(overview, paths, incident), domain?.services?.length ? `services: ${some(domain.services)}` : ""],
    ["Where", domain?.links.length ? some(domain.links) : some(incident.subjects) || "not located",
      domain?.links.length ? [domain.kind, domain.groups.length ? `, hits ${some(domain.groups)}` : "", " · ",
        h("button", { type: "button", class: "text", onclick: () => acts.link(domain.links[0]) }, "show on the map")] : "no single place explains it"],
    since(incident, unix),
    sure(overview, incident),
    cure ? ["What to do", cure.name, cure.summary, "act"]
      : ["What to do", incident.proposal || (incident.cures.length ? "No rehearsed cure helps" : "No cure was rehearsed"), (domain?.advice ?? []).slice(0, 2).join("; ")],
    cure ? ["What it would do", gain(cure, nothing), after(cure), cure.harm ? "doubt" : "act"] : null,
  ];
}

function broken(overview, paths, incident) {
  const bad = overview.levels.filter((level) => level.broken_paths > 0);
  const affected = incident.paths?.length || paths.filter((path) => path.affected).length;
  if (!bad.length) return affected ? `${plural(affected, "path")} of ${paths.length} affected` : "No service level yet";
  const names = some(bad.map((level) => level.level), 3);
  return `${names} on ${Math.max(...bad.map((level) => level.broken_paths))} of ${paths.length} paths`;
}

function since(incident, unix) {
  const onset = incident.domain?.onset_s ?? incident.opened_s;
  const stage = (kind) => incident.timeline.find((entry) => entry.kind === kind)?.at_s;
  const [detected, placed] = [stage("detected") ?? stage("opened"), stage("localised")];
  const later = (when) => `${span(when - onset)} later`;
  const words = [detected >= onset && `detected ${later(detected)}`, placed >= onset && `located ${later(placed)}`, incident.resolved_s && `resolved ${moment(incident.resolved_s, unix)}`];
  const ago = unix && incident.open ? ` (${span(Date.now() / 1000 - onset)} ago)` : "";
  return ["Since", `${moment(onset, unix)}${unix ? ago : " of the run"}`, words.filter(Boolean).join(", ")];
}

function sure(overview, incident) {
  const { domain } = incident;
  const trial = domain?.trials?.[0];
  const told = [];
  if (trial) told.push(`${trial.words}: imposed in the shadow it explains ${percent(trial.explained)} of what is unusual`);
  else if (domain?.suspects?.[0]) told.push(`${percent(domain.suspects[0].loss)} loss on ${domain.suspects[0].name}`);
  if (overview.verdict) told.push(`production: ${overview.verdict}`);
  const doubt = overview.fidelity && overview.fidelity.standing !== "true";
  if (doubt) told.push(`the shadow is ${overview.fidelity.standing}`);
  const confidence = incident.confidence ?? domain?.confidence;
  return ["How sure", confidence === null || confidence === undefined ? "not known" : `${percent(confidence)} that it is there`, `${told.join("; ")}.`, doubt ? "doubt" : ""];
}

function gain(cure, nothing) {
  const before = cure.before_share ?? nothing?.broken_share;
  const now = `${percent(cure.broken_share)} of windows broken`;
  return before === null || before === undefined ? now : `${percent(before)} → ${now}`;
}

function after(cure) {
  const words = [`${percent(cure.recovered)} mended`, cure.harm ? `${plural(cure.harm, "level")} harmed` : "no level harmed"];
  if (cure.rolled_back_share !== null) words.push("the way back was tried");
  if (cure.warnings.length) words.push(cure.warnings[0]);
  return words.join(", ");
}

function ofCalm({ overview, paths }) {
  const judged = overview.levels.reduce((sum, level) => sum + level.paths, 0);
  const bad = overview.levels.reduce((sum, level) => sum + level.broken_paths, 0);
  const telemetry = overview.telemetry;
  return [
    ["Service levels", judged ? `${judged - bad} of ${judged} hold` : "none is named", overview.levels.filter((level) => level.broken_paths).map((level) => `${level.level}: ${level.broken_paths} of ${level.paths} paths broken, limit ${withUnit(level.limit, level.unit)}`).join("; ")],
    ["Paths", `${paths.filter((path) => path.state === "good").length} of ${paths.length} good`, ""],
    overview.verdict ? ["Production", overview.verdict, overview.why] : null,
    overview.fidelity ? ["Shadow", overview.fidelity.standing, `${number(overview.fidelity.score)} × the noise of production itself; worst: ${overview.fidelity.worst}`,
      overview.fidelity.standing === "true" ? "" : "doubt"] : null,
    telemetry ? ["Stands on", plural(telemetry.records, "record"), plural(telemetry.connections, "connection")] : null,
    overview.findings.length ? ["To be mended", overview.findings[0], overview.findings.slice(1, 3).join("; ")] : null,
  ];
}
