// Demand to come, with its interval, and what breaks under it.

import { chart, sample } from "../chart.js";
import { byId, h, put } from "../dom.js";
import { number, percent, span } from "../format.js";

export function forecast({ overview, forecast: answer }) {
  const ahead = answer?.forecast;
  if (!ahead) {
    put(byId("forecast"), h("p", { class: "note" }, answer?.why || "No forecast was made."));
    return;
  }
  const { growth } = ahead;
  const unix = overview.clock === "unix";
  const mbps = (value) => `${number(value)} Mbit/s`;
  const lines = [];
  if (ahead.demand.length) lines.push({ role: "production", name: "demand", t: ahead.demand.map((one) => one.at_s), values: ahead.demand.map((one) => one.mbps) });
  if (ahead.ahead.length) lines.push({ role: "shadow", name: "median", dash: [7, 4], t: ahead.ahead.map((one) => one.at_s), values: ahead.ahead.map((one) => one.median) });
  const band = ahead.ahead.length ? { name: "interval", t: ahead.ahead.map((one) => one.at_s), low: ahead.ahead.map((one) => one.low), high: ahead.ahead.map((one) => one.high) } : null;
  const told = growth ? `In ${span(ahead.horizon_s)} demand is ${number(growth.median)} times today's (${number(growth.low)} to ${number(growth.high)}, 80 % sure).` : "";
  put(byId("forecast"),
    h("p", {}, h("strong", {}, ahead.headline || told)),
    ahead.headline ? h("p", {}, told) : null,
    lines.length ? h("figure", {}, h("div", { class: "legend" }, sample("production", "demand"), sample("shadow", "forecast, median", { dash: [7, 4] }), sample("band", "10 % to 90 %", { band: true })),
      chart({ lines, band, marks: ahead.ahead.length ? [{ t: ahead.ahead[0].at_s, words: "now" }] : [], show: mbps, unix, height: 170, label: `Demand and its forecast. ${told}` })) : null,
    ahead.violations.length ? [h("h3", {}, "What breaks under it"), h("ul", {}, ahead.violations.map((words) => h("li", {}, `▲ ${words}`)))] : h("p", {}, "✓ No service level breaks under it."),
    ahead.links.length ? h("details", {}, h("summary", {}, "Busiest links then"), h("table", {},
      h("thead", {}, h("tr", {}, ["Direction", "Now", "Then"].map((words, index) => h("th", { scope: "col", class: index ? "number" : "" }, words)))),
      h("tbody", {}, ahead.links.map((link) => h("tr", { class: link.then >= 0.9 ? "hit" : "" }, h("th", { scope: "row" }, link.direction), h("td", { class: "number" }, percent(link.now)), h("td", { class: "number" }, percent(link.then))))))) : null,
    h("p", { class: "note" }, ahead.model ? `Model: ${ahead.model}.` : ""));
}
