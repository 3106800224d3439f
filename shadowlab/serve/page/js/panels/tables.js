// Paths and links as tables: all that the map tells, for those who read rather than look, and for those who search.

import { byId, h, put } from "../dom.js";
import { number, percent, plural, rate, some } from "../format.js";

const MOST = 200;
const kept = { words: "", affected: false };

/** The lists are made anew, the filters above them stay: somebody may be typing there. */
let refresh = null;

export function tables(view, acts) {
  const lists = byId("tables").querySelector(".two") ?? h("div", { class: "two" });
  refresh = () => {
    const scrolled = [...lists.children].map((frame) => frame.scrollTop);
    put(lists, paths(view, acts), links(view, acts));
    scrolled.forEach((top, index) => { lists.children[index].scrollTop = top; });
  };
  if (!lists.isConnected) put(byId("tables"),
    h("div", { class: "filters" },
      h("label", {}, "Find ", h("input", { type: "text", value: kept.words, spellcheck: "false", oninput: (event) => { kept.words = event.target.value; refresh(); } })),
      h("label", {}, h("input", { type: "checkbox", checked: kept.affected, onchange: (event) => { kept.affected = event.target.checked; refresh(); } }), " only what is affected")),
    lists);
  refresh();
}

const found = (...names) => names.some((name) => name.toLowerCase().includes(kept.words.toLowerCase()));

function frame(title, heads, rows, of) {
  const more = rows.length > MOST ? ` (the first ${MOST} shown)` : "";
  const words = `${title}: ${rows.length === of ? of : `${rows.length} of ${of}`}${more}`;
  return h("div", { class: "table-frame", tabindex: 0, role: "region", "aria-label": title },
    h("table", {}, h("caption", {}, words),
      h("thead", {}, h("tr", {}, heads.map(([words, numeric]) => h("th", { scope: "col", class: numeric ? "number" : "" }, words)))),
      h("tbody", {}, rows.slice(0, MOST).map((row) => row()))));
}

function paths({ paths: all }, acts) {
  const rows = all.filter((path) => (!kept.affected || path.affected) && found(path.id)).map((path) => () => {
    const of = (kpi) => path.shadow?.[kpi];
    const production = (kpi) => path.production?.[kpi];
    return h("tr", { class: path.affected ? "hit" : "" },
      h("th", { scope: "row" }, h("button", { type: "button", class: "text", onclick: () => acts.path(path.id) }, path.id)),
      h("td", {}, path.broken_levels.length ? `✕ ${some(path.broken_levels, 2)}` : path.fault || path.state),
      h("td", { class: "number" }, both(production("srtt_ms"), of("srtt_ms"), (value) => `${number(value)} ms`)),
      h("td", { class: "number" }, both(production("retransmission_share"), of("retransmission_share"), percent)),
      h("td", { class: "number" }, path.fidelity === null ? "–" : `${number(path.fidelity)} ×`));
  });
  return frame("Paths", [["Path"], ["State"], ["RTT, production / shadow", 1], ["Retransmitted, production / shadow", 1], ["Fidelity", 1]], rows, all.length);
}

const both = (production, shadow, show) => `${production === undefined || production === null ? "–" : show(production)} / ${shadow === undefined || shadow === null ? "–" : show(shadow)}`;

function links({ map }, acts) {
  const all = map.links.flatMap((link) => link.directions.map((direction) => ({ link, direction })));
  const order = [...all].sort((one, other) => (other.link.suspect - one.link.suspect) || (other.direction.affected_paths - one.direction.affected_paths)
    || ((other.direction.utilisation ?? 0) - (one.direction.utilisation ?? 0)));
  const rows = order.filter(({ link, direction }) => (!kept.affected || direction.affected_paths || link.suspect) && found(link.id, direction.id))
    .map(({ link, direction }) => () => h("tr", { class: link.suspect ? "hit" : "" },
      h("th", { scope: "row" }, h("button", { type: "button", class: "text", onclick: () => acts.direction(direction.id) }, direction.id)),
      h("td", {}, link.up ? (direction.standing === "suspect" ? "✕ suspect" : direction.standing) : "✕ down"),
      h("td", { class: "number" }, rate(direction.rate_bps)),
      h("td", { class: "number" }, percent(direction.utilisation)),
      h("td", { class: "number" }, percent(direction.loss)),
      h("td", { class: "number" }, direction.latency_ms === null ? "–" : `${number(direction.latency_ms)} ms`),
      h("td", { class: "number" }, direction.fidelity === null ? "–" : `${number(direction.fidelity)} ×`),
      h("td", { class: "number" }, plural(direction.affected_paths, "path"))));
  return frame("Links, by direction", [["Direction"], ["State"], ["Rate", 1], ["Load", 1], ["Loss", 1], ["Latency", 1], ["Fidelity", 1], ["Affected", 1]], rows, all.length);
}
