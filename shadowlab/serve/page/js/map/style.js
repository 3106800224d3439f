// How nodes and links look, from the theme's variables.  cytoscape draws on a canvas and cannot read them itself.

import { WIDTHS } from "./legend.js";

const ROLES = ["surface", "raised", "ink", "muted", "faint", "edge", "healthy", "fault", "affected", "u0", "u1", "u2", "u3"];

export function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(ROLES.map((role) => [role, style.getPropertyValue(`--${role}`).trim()]));
}

/** `large` maps draw straight lines, and names only when they can be read; what matters in them is drawn `more` times
 *  larger, so that it is seen when the whole map is. */
export function sheet(large, more) {
  const colour = colours();
  const nodeSize = large ? 12 : 17;
  const rules = [
    { selector: "node", style: {
      shape: "rectangle", width: nodeSize, height: nodeSize, "background-color": colour.ink, label: "data(label)",
      color: colour.ink, "font-size": 13, "font-family": "system-ui, Liberation Sans, Arial, sans-serif", "text-valign": "bottom",
      "text-margin-y": 3, "text-outline-color": colour.raised, "text-outline-width": 2.5, "min-zoomed-font-size": large ? 9 : 6,
    } },
    { selector: "node.host", style: {
      shape: "ellipse", width: nodeSize * 0.72, height: nodeSize * 0.72, "background-color": colour.surface,
      "border-width": 2, "border-color": colour.edge, color: colour.muted, "font-size": 10,
    } },
    { selector: "node.segment", style: { shape: "diamond" } },
    { selector: "node.name-none", style: { label: "" } },
    { selector: "node.name-top", style: { "text-valign": "top", "text-margin-y": -3 } },
    { selector: "node.name-left", style: { "text-valign": "center", "text-halign": "left", "text-margin-y": 0, "text-margin-x": -4 } },
    { selector: "node.name-right", style: { "text-valign": "center", "text-halign": "right", "text-margin-y": 0, "text-margin-x": 4 } },
    { selector: "node.at-fault", style: { "border-width": large ? 2 * more : 4, "border-color": colour.fault, color: colour.fault, "font-weight": "bold" } },
    { selector: "node.end", style: { "border-color": colour.affected, "border-width": 3.5 } },
    { selector: "edge", style: {
      "curve-style": large ? "haystack" : "bezier", "haystack-radius": 0, "control-point-step-size": 16, width: 1.5,
      "line-color": colour.faint, "line-style": "dotted",
    } },
    ...WIDTHS.map((width, step) => ({ selector: `edge.step-${step}`, style: {
      width: large ? width * 0.7 : width, "line-color": colour[`u${step}`], "line-style": "solid", "z-index": step,
    } })),
    { selector: "edge.affected", style: { "underlay-color": colour.affected, "underlay-opacity": 0.42, "underlay-padding": large ? 3 * more : 6 } },
    { selector: "edge.domain", style: {
      width: large ? 5 * more : 7, "line-color": colour.fault, "line-style": "dashed", "line-dash-pattern": large ? [9 * more, 4 * more] : [9, 4], "z-index": 9,
    } },
    { selector: "node.flag", style: {
      width: 1, height: 1, "background-opacity": 0, "border-width": 0, events: "no", "z-index": 20, "text-valign": "center", "text-margin-y": 0,
      color: colour.fault, "font-size": large ? 13 * more : 13, "font-weight": "bold", "text-outline-width": 0, "min-zoomed-font-size": 0,
      "text-background-color": colour.surface, "text-background-opacity": 0.95, "text-background-padding": large ? 4 * more : 4,
      "text-background-shape": "round-rectangle", "text-border-color": colour.fault, "text-border-width": large ? more : 1, "text-border-opacity": 1,
    } },
    { selector: "edge.on-way", style: { "underlay-color": colour.healthy, "underlay-opacity": 0.85, "underlay-padding": large ? 2 * more : 3, "z-index": 8 } },
    { selector: "edge.chosen", style: { "underlay-color": colour.ink, "underlay-opacity": 0.5, "underlay-padding": large ? 2 * more : 6, "z-index": 10 } },
    { selector: "edge.chosen, edge.named", style: {
      label: "data(told)", color: colour.ink, "font-size": large ? 12 * more : 12, "text-background-color": colour.surface, "text-background-opacity": 0.94,
      "text-background-padding": 3, "text-background-shape": "round-rectangle", "text-rotation": "none", "text-margin-y": -16,
    } },
    { selector: "node.chosen", style: { "border-width": 4, "border-color": colour.healthy } },
  ];
  return rules;
}
