// Indicators of one path or link over time: shadow beside production, the baseline band, the level's limit, what happened.

import * as api from "../api.js";
import { chart, sample, STYLES } from "../chart.js";
import { byId, h, put } from "../dom.js";
import { clock, withUnit } from "../format.js";

const WANTED = {
  path: ["loss", "srtt_ms", "retransmission_share", "throughput_mbps", "latency_ms", "latency_p95_ms"],
  link: ["link_utilisation", "link_loss", "link_backlog_ms", "link_throughput_mbps"],
};
const NAMES = {
  loss: "Loss of probes", srtt_ms: "Smoothed RTT", retransmission_share: "Retransmitted", throughput_mbps: "Throughput",
  latency_ms: "Round trip of probes", latency_p95_ms: "Round trip of probes, 95 %", link_utilisation: "Load", link_loss: "Loss",
  link_backlog_ms: "Queue", link_throughput_mbps: "Throughput",
};
const MOST_POINTS = 40;
const MOST = 4;
const MOST_CHOICES = 250;
const BAND = 3;

/** The choice of what is charted: worst paths first, then links. `subject` is {kind, id}. */
export function choices({ paths, map }, subject) {
  const select = byId("subject");
  const option = (kind, id, words) => h("option", { value: `${kind} ${id}`, selected: subject.kind === kind && subject.id === id }, words);
  const path = (one) => option("path", one.id, `${one.state === "good" ? "" : `${one.state}: `}${one.id}`);
  const shown = paths.slice(0, MOST_CHOICES);
  const chosen = subject.kind === "path" && !shown.some((one) => one.id === subject.id) ? [option("path", subject.id, subject.id)] : [];
  const directions = map.links.flatMap((link) => link.directions.map((direction) => ({ link, direction })))
    .sort((one, other) => (other.link.suspect - one.link.suspect) || ((other.direction.utilisation ?? 0) - (one.direction.utilisation ?? 0)));
  const links = directions.filter(({ direction }, index) => index < MOST_CHOICES || direction.id === subject.id);
  put(select, h("optgroup", { label: "Paths" }, chosen, shown.map(path)),
    h("optgroup", { label: "Links, by direction" }, links.map(({ link, direction }) => option("link", direction.id, `${link.suspect ? "suspect: " : ""}${direction.id}`))));
  select.value = `${subject.kind} ${subject.id}`;
}

/** Fetch and draw.  An answer that comes after another question was asked is dropped. */
let asked = 0;

export async function charts({ overview, indicators }, subject) {
  const mine = asked += 1;
  const frame = byId("charts");
  const known = new Set(indicators.filter((one) => one.kind === subject.kind).map((one) => one.kpi));
  const wanted = [...WANTED[subject.kind].filter((kpi) => known.has(kpi)), ...[...known].filter((kpi) => !WANTED[subject.kind].includes(kpi))].slice(0, MOST);
  if (!wanted.length) { put(frame, h("p", { class: "note" }, `This source keeps no indicators of ${subject.kind}s.`)); return; }
  let answer;
  try {
    answer = await api.series(overview.id, subject.kind, subject.id, wanted);
  } catch (error) {
    if (mine === asked) put(frame, h("p", { class: "notice" }, `${subject.id}: ${error.message}`));
    return;
  }
  if (mine !== asked) return;
  const unix = answer.clock === "unix";
  const drawn = answer.series.filter((one) => hasAny(one.shadow) || one.production?.values.length);
  put(frame, drawn.length ? [key(drawn), drawn.map((one) => figure(answer, one, unix))] : h("p", { class: "note" }, "Nothing was measured here yet."));
}

const hasAny = (values) => (values ?? []).some((value) => value !== null);

function key(drawn) {
  return h("div", { class: "legend" }, sample("shadow", "shadow"),
    drawn.some((one) => one.production) ? sample("production", "production", { points: true, dash: [2, 4] }) : null,
    drawn.some(steady) ? sample("normal", "baseline", { dash: STYLES.normal.dash }) : null,
    drawn.some((one) => one.baseline?.deviation) ? sample("band", `baseline ± ${BAND} σ`, { band: true }) : null,
    drawn.some((one) => one.levels?.length) ? sample("limit", "service level", { dash: [6, 3, 1, 3] }) : null);
}

function figure(answer, one, unix) {
  const show = (value) => withUnit(value, one.unit);
  const lines = [];
  if (hasAny(one.shadow)) lines.push({ ...STYLES.shadow, name: "shadow", t: answer.times_s, values: one.shadow, points: answer.times_s.length < MOST_POINTS });
  if (one.production?.values.length) lines.push({ ...STYLES.production, name: "production", t: one.production.times_s, values: one.production.values,
    points: one.production.times_s.length < MOST_POINTS });
  if (steady(one)) lines.push({ ...STYLES.normal, name: "baseline", t: ends(answer.times_s), values: [one.baseline.mean, one.baseline.mean] });
  const limit = one.levels?.[0]?.limit ?? null;
  const band = one.baseline && answer.times_s.length ? bandOf(one, answer.times_s) : null;
  const marks = answer.marks.filter((mark) => ["event", "opened"].includes(mark.kind)).slice(0, 6).map((mark) => ({ t: mark.at_s, words: mark.kind }));
  const words = inWords(one, show);
  const name = NAMES[one.kpi] ?? one.meaning ?? one.kpi;
  return h("figure", {},
    h("figcaption", {}, h("strong", { title: one.meaning }, name), h("span", { class: "value" }, words)),
    chart({ lines, band, marks, limit, show, unix, label: `${name} of ${answer.subject}: ${words}. ${answer.marks.map((mark) => `${mark.kind} at ${unix ? new Date(mark.at_s * 1000).toLocaleTimeString() : clock(mark.at_s)}`).slice(0, 3).join(", ")}` }));
}

/** A baseline that is one value has no band: it is drawn as a line. */
const steady = (one) => one.baseline && one.baseline.mean !== null && !one.baseline.deviation;

const ends = (times) => [times[0], times[times.length - 1]];

function bandOf(one, times) {
  const { mean, deviation } = one.baseline;
  if (mean === null || !deviation) return null;
  const low = Math.max(0, mean - BAND * deviation);
  const t = ends(times);
  return { t, low: [low, low], high: [mean + BAND * deviation, mean + BAND * deviation], name: "baseline" };
}

/** The mean of the last tenth: a single second says little of a share. */
function lately(values) {
  const known = (values ?? []).slice(-Math.ceil((values ?? []).length / 10)).filter((value) => value !== null && value !== undefined);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : undefined;
}

function inWords(one, show) {
  const words = [];
  const [shadow, production] = [lately(one.shadow), lately(one.production?.values)];
  if (shadow !== undefined) words.push(`lately shadow ${show(shadow)}`);
  if (production !== undefined) words.push(`production ${show(production)}`);
  if (one.baseline?.mean !== null && one.baseline) words.push(`baseline ${show(one.baseline.mean)}`);
  if (one.levels?.[0]) words.push(`limit ${show(one.levels[0].limit)}`);
  return words.join(", ");
}
