// Ranked cures: each was executed in the shadow, its effect measured, and taken back again.

import { byId, h, put, s } from "../dom.js";
import { number, percent, plural } from "../format.js";

export function cures({ incident }) {
  const all = incident?.cures ?? [];
  if (!all.length) {
    put(byId("cures"), h("p", { class: "note" }, incident ? "No cure was rehearsed for this incident." : "Nothing is broken, so nothing was rehearsed."));
    return;
  }
  const nothing = all.find((cure) => cure.nothing);
  put(byId("cures"), all.map((cure, index) => one(cure, nothing, index === 0 && !cure.nothing && !cure.note && cure.recovered > 0)));
}

function one(cure, nothing, best) {
  const before = cure.before_share ?? nothing?.broken_share ?? null;
  const tags = [];
  if (best) tags.push(h("span", { class: "badge good" }, "✓ best"));
  if (cure.note) tags.push(h("span", { class: "badge warn" }, "does not count"));
  if (cure.short) tags.push(h("span", { class: "badge" }, "short trial"));
  return h("article", { class: `cure ${best ? "best" : ""}`, "aria-label": `Cure ${cure.rank}: ${cure.name}` },
    h("header", {}, h("h3", {}, `${cure.rank}. ${cure.name}`), tags),
    h("p", {}, cure.note || cure.summary),
    cure.note ? null : h("div", { class: "before-after", role: "img", "aria-label": `Broken windows: before ${percent(before)}, after ${percent(cure.broken_share)}` },
      ...(before === null || cure.nothing ? [] : bar("before", before, "fill-fault")),
      ...bar(cure.nothing ? "stays" : "after", cure.broken_share, cure.broken_share < (before ?? 0) ? "fill-best" : "fill-fault"),
      ...(cure.rolled_back_share === null ? [] : bar("taken back", cure.rolled_back_share, "fill-fault"))),
    cure.note ? null : h("p", { class: "note" }, told(cure)),
    cure.warnings.map((words) => h("p", { class: "note" }, `▲ ${words}`)),
    levels(cure),
    list("What is done", cure.actions.length ? cure.actions : cure.steps), list("The way back", cure.roll_back));
}

/** Three cells: words, a bar on a common scale, the figure. */
function bar(words, share, role) {
  const length = Math.max(0, Math.min(1, share)) * 100;
  return [h("span", {}, words),
    s("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("rect", { x: 0, y: 0, width: 100, height: 10, class: "fill-track" }), s("rect", { x: 0, y: 0, width: length, height: 10, class: role })),
    h("span", {}, percent(share))];
}

function told(cure) {
  if (cure.nothing) return "Share of the judged windows in which a service level stays broken.";
  const words = [`${percent(cure.recovered)} of what is broken mended`, cure.harm ? `${plural(cure.harm, "level")} harmed` : "no level harmed"];
  if (cure.transient_share) words.push(`while it settles ${percent(cure.transient_share)} broken`);
  if (cure.best_probability) words.push(`the best with probability ${percent(cure.best_probability)}`);
  return `${words.join("; ")}.`;
}

function levels(cure) {
  const names = Object.keys(cure.worst ?? {}).filter((name) => cure.worst_before?.[name] !== undefined);
  if (!names.length || cure.nothing) return null;
  return h("details", {}, h("summary", {}, "Worst value of each service level"),
    h("table", {}, h("thead", {}, h("tr", {}, ["Level", "Before", "After"].map((words, index) => h("th", { scope: "col", class: index ? "number" : "" }, words)))),
      h("tbody", {}, names.map((name) => h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "number" }, number(cure.worst_before[name])), h("td", { class: "number" }, number(cure.worst[name])))))));
}

function list(title, lines) {
  if (!lines.length) return null;
  return h("details", {}, h("summary", {}, `${title} (${lines.length})`), h("ol", { class: "steps", tabindex: 0, "aria-label": title }, lines.map((line) => h("li", {}, h("code", {}, line)))));
}
