// One chart: shadow, production and what is normal, over time.  In: series in plain values.  Out: a figure.
// Lines differ by dash and mark as well as by colour; the caption says the figures in words.

import uPlot from "../vendor/uplot.js";
import { h, s } from "./dom.js";
import { clock } from "./format.js";

const LABEL_ROOM = 70;
const DAY_S = 86400;
const live = new Set();

/** `lines`: [{name, role, t, values, dash?, points?, width?}] with t in seconds; `band`: {t, low, high, name, role};
 *  `marks`: [{t, words}]; `limit`: a value.  `show(value)` writes one.  Returns the figure's plot; see `drop`. */
export function chart({ lines, band = null, marks = [], limit = null, show, unix = false, height = 150, label }) {
  const frame = h("div", { class: "plot", role: "img", "aria-label": label });
  const data = join(lines, band);
  const draw = () => {
    const colour = palette();
    const series = [{}, ...lines.map((line) => ({
      label: line.name, stroke: colour[line.role], width: line.width ?? 2, dash: line.dash, spanGaps: !!line.sparse,
      points: { show: !!line.points, size: 7, stroke: colour[line.role], fill: colour.surface, width: 2 },
    }))];
    const bands = [];
    if (band) {
      series.push({ label: `${band.name}, low`, stroke: "transparent", width: 0, points: { show: false }, spanGaps: true });
      series.push({ label: `${band.name}, high`, stroke: "transparent", width: 0, points: { show: false }, spanGaps: true });
      bands.push({ series: [series.length - 1, series.length - 2], fill: colour.band });
    }
    const axis = { stroke: colour.muted, grid: { stroke: colour.grid, width: 1 }, ticks: { show: false }, font: "12px system-ui, Liberation Sans, Arial, sans-serif" };
    return new uPlot({
      width: Math.max(200, frame.clientWidth), height, series, bands, legend: { show: false },
      cursor: { drag: { x: true, y: false }, y: false, points: { size: 6 } },
      scales: { x: { time: unix }, y: { range: (_, low, high) => reach(low, high, limit) } },
      axes: [{ ...axis, size: 28, space: unix ? 90 : 50, values: (plot, ticks) => timesOf(plot, ticks, unix) },
        { ...axis, size: widest, values: (_, ticks) => ticks.map(show) }],
      hooks: { draw: [(plot) => { lineOf(plot, limit, colour); marksOf(plot, marks, colour); }] },
    }, data, frame);
  };
  const own = { frame, plot: null, redraw() { this.plot?.destroy(); frame.replaceChildren(); this.plot = draw(); } };
  const watcher = new ResizeObserver(() => {
    if (!frame.isConnected) { watcher.disconnect(); own.plot?.destroy(); live.delete(own); return; }
    if (!own.plot) own.redraw();
    else if (own.plot.width !== frame.clientWidth) own.plot.setSize({ width: Math.max(200, frame.clientWidth), height });
  });
  watcher.observe(frame);
  live.add(own);
  return frame;
}

/** After a change of the theme. */
export function redrawAll() {
  for (const one of live) if (one.frame.isConnected && one.plot) one.redraw();
}

/** A line of the legend, drawn like the line itself. */
export function sample(role, words, { dash, points, band } = {}) {
  const shape = band ? s("rect", { x: 0, y: 2, width: 28, height: 10, class: "fill-band" })
    : s("line", { x1: 1, y1: 7, x2: 27, y2: 7, class: `stroke-${role}`, "stroke-width": 2.4, "stroke-dasharray": dash?.join(" ") });
  const mark = points ? s("circle", { cx: 14, cy: 7, r: 3.4, class: `stroke-${role}`, "stroke-width": 2, fill: "none" }) : null;
  return h("span", {}, s("svg", { width: 28, height: 14, "aria-hidden": "true" }, shape, mark), words);
}

export const STYLES = {
  shadow: { role: "shadow" },
  production: { role: "production", points: true, dash: [2, 4], sparse: true, width: 1.5 },
  normal: { role: "normal", dash: [7, 4], width: 1.5 },
};

function palette() {
  const style = getComputedStyle(document.documentElement);
  const read = (role) => style.getPropertyValue(`--${role}`).trim();
  return { shadow: read("healthy"), production: read("ink"), normal: read("best"), limit: read("limit"), affected: read("affected"),
    fault: read("fault"), muted: read("muted"), grid: read("grid"), surface: read("surface"), band: read("band"), healthy: read("healthy") };
}

/** All series on one axis of time, null where a series has no value. */
function join(lines, band) {
  const all = [...lines, ...(band ? [{ t: band.t, values: band.low }, { t: band.t, values: band.high }] : [])];
  const times = [...new Set(all.flatMap((line) => line.t))].sort((one, other) => one - other);
  const at = new Map(times.map((time, index) => [time, index]));
  return [times, ...all.map((line) => {
    const column = new Array(times.length).fill(undefined);
    line.t.forEach((time, index) => { column[at.get(time)] = line.values[index]; });
    return column;
  })];
}

/** One line of words: counted from a run's start, or the time of day, with the day where more than one is shown. */
function timesOf(plot, ticks, unix) {
  if (!unix) return ticks.map(clock);
  const days = plot.scales.x.max - plot.scales.x.min > DAY_S;
  const close = plot.scales.x.max - plot.scales.x.min < 600;
  const time = { hour: "2-digit", minute: "2-digit", hour12: false, ...(close ? { second: "2-digit" } : {}) };
  return ticks.map((tick) => new Date(tick * 1000).toLocaleString([], days ? { day: "numeric", month: "short", ...time } : time));
}

/** Room for the longest of an axis' words. */
function widest(plot, words) {
  plot.ctx.save();
  plot.ctx.font = `${12 * devicePixelRatio}px system-ui, Liberation Sans, Arial, sans-serif`;
  const width = Math.max(30, ...(words ?? []).map((one) => plot.ctx.measureText(one).width / devicePixelRatio));
  plot.ctx.restore();
  return Math.ceil(width) + 12;
}

function reach(low, high, limit) {
  const top = Math.max(high ?? 0, limit ?? -Infinity);
  const bottom = Math.min(low ?? 0, limit ?? Infinity, 0);
  return top === bottom ? [bottom, bottom + 1] : [bottom, top + (top - bottom) * 0.08];
}

function lineOf(plot, limit, colour) {
  if (limit === null || limit === undefined) return;
  const y = plot.valToPos(limit, "y", true);
  stroke(plot, colour.limit, [8, 3, 2, 3], plot.bbox.left, y, plot.bbox.left + plot.bbox.width, y);
}

function marksOf(plot, marks, colour) {
  const { ctx } = plot;
  let last = -Infinity;
  for (const mark of marks) {
    const x = plot.valToPos(mark.t, "x", true);
    if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) continue;
    stroke(plot, colour.fault, [3, 3], x, plot.bbox.top, x, plot.bbox.top + plot.bbox.height);
    if (x - last < LABEL_ROOM * devicePixelRatio) continue;
    last = x;
    ctx.save();
    ctx.fillStyle = colour.fault;
    ctx.font = `${11 * devicePixelRatio}px system-ui, Liberation Sans, Arial, sans-serif`;
    const right = x > plot.bbox.left + plot.bbox.width * 0.75;
    ctx.textAlign = right ? "right" : "left";
    ctx.fillText(mark.words, x + (right ? -5 : 5) * devicePixelRatio, plot.bbox.top + 11 * devicePixelRatio);
    ctx.restore();
  }
}

function stroke(plot, colour, dash, x0, y0, x1, y1) {
  const { ctx } = plot;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash(dash.map((part) => part * devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
  ctx.restore();
}
