// What the links of the map can show: a step from 0 to 3 for each direction, the same for everybody.

import { number, percent } from "../format.js";

/** `step` is null for what is not known; `words` are the legend, from step 0 on. */
export const METRICS = [
  {
    id: "utilisation", label: "Load", of: (direction) => direction.utilisation, show: percent,
    limits: [0.25, 0.5, 0.75], words: ["under 25 %", "25–50 %", "50–75 %", "over 75 %"],
  },
  {
    id: "loss", label: "Loss", of: (direction) => direction.loss, show: percent,
    limits: [0.0001, 0.001, 0.01], words: ["none", "to 0.1 %", "0.1–1 %", "over 1 %"],
  },
  {
    id: "latency", label: "Latency", of: (direction) => direction.latency_ms, show: (value) => `${number(value)} ms`,
    limits: [1, 5, 20], words: ["under 1 ms", "1–5 ms", "5–20 ms", "over 20 ms"],
  },
  {
    // In units of production's own noise, and named as the comparison names it.
    id: "fidelity", label: "Fidelity", of: (direction) => direction.fidelity, show: (value) => `${number(value)} × noise`,
    limits: [1, 2, 5], words: ["as good as a repeat", "true (1–2 × noise)", "doubtful (2–5 ×)", "not to be trusted (over 5 ×)"],
  },
];

export function stepOf(metric, value) {
  if (value === null || value === undefined || Number.isNaN(value)) return null;
  return metric.limits.filter((limit) => value >= limit).length;
}

/** The worse of a link's directions under this metric: {value, step, direction}. */
export function worst(metric, link) {
  let found = { value: null, step: null, direction: null };
  for (const direction of link.directions) {
    const value = metric.of(direction);
    if (value !== null && value !== undefined && (found.value === null || value > found.value)) {
      found = { value, step: stepOf(metric, value), direction };
    }
  }
  return found;
}
