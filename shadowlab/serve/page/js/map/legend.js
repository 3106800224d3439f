// What the lines of the map mean, drawn as they are: width and dash tell as much as colour.

import { put, s, h } from "../dom.js";

const WIDTHS = [2, 3.2, 4.8, 7];

export function legend(element, metric, seen) {
  const line = (classes, width, dash) => s("svg", { width: 34, height: 14, "aria-hidden": "true" },
    s("line", { x1: 1, y1: 7, x2: 33, y2: 7, class: classes, "stroke-width": width, "stroke-dasharray": dash }));
  const entries = metric.words.map((words, step) => h("span", {}, line(`stroke-u${step}`, WIDTHS[step]), `${step ? "" : `${metric.label}: `}${words}`));
  if (seen.unknown) entries.push(h("span", {}, line("stroke-muted", 1.5, "1.5 4"), "not known"));
  if (seen.domain) entries.push(h("span", {}, line("stroke-fault", 6, "7 3"), "fault domain"));
  if (seen.affected) entries.push(h("span", {}, s("svg", { width: 34, height: 14, "aria-hidden": "true" },
    s("line", { x1: 1, y1: 7, x2: 33, y2: 7, class: "stroke-affected", "stroke-width": 12, "stroke-opacity": 0.5 }),
    s("line", { x1: 1, y1: 7, x2: 33, y2: 7, class: "stroke-u0", "stroke-width": 2 })), "affected paths run here"));
  if (seen.way) entries.push(h("span", {}, s("svg", { width: 34, height: 14, "aria-hidden": "true" },
    s("line", { x1: 1, y1: 7, x2: 33, y2: 7, class: "stroke-shadow", "stroke-width": 8, "stroke-opacity": 0.85 }),
    s("line", { x1: 1, y1: 7, x2: 33, y2: 7, class: "stroke-u0", "stroke-width": 2 })), "the path that is charted"));
  const mark = (shape) => s("svg", { width: 14, height: 14, "aria-hidden": "true" }, shape);
  entries.push(h("span", {}, mark(s("rect", { x: 2, y: 2, width: 10, height: 10, class: "fill-ink" })), "router"));
  if (seen.hosts) entries.push(h("span", {}, mark(s("circle", { cx: 7, cy: 7, r: 4.5, class: "fill-mark", "stroke-width": 2 })), "instance"));
  put(element, entries);
}

export { WIDTHS };
