// The map: nodes, links with live colours, fault domain and affected paths.  All it shows the tables tell as well.

import cytoscape from "../../vendor/cytoscape.js";
import { byId, speak } from "../dom.js";
import { flagPlace } from "./flags.js";
import { layout, spacious } from "./layout.js";
import { legend } from "./legend.js";
import { METRICS, worst } from "./metrics.js";
import { nameSides } from "./names.js";
import { sheet } from "./style.js";

const LARGE = 250;
const NARROW = 480;
const PADDING = 16;
const MOVES = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };

/** Instances by their id, which is short and what every table says; routers by their label. */
const nameOf = (node) => (node.kind === "host" ? node.id : node.label || node.id);

export class NetworkMap {
  #graph = null;
  #map = null;
  #shape = "";
  #metric = METRICS[0];
  #way = [];
  #places = new Map();
  #sides = new Map();
  #faults = new Map();
  #chosen = null;
  #onLink;
  #element;

  /** `onLink(link)` is called when somebody chooses a link. */
  constructor(element, onLink) {
    this.#element = element;
    this.#onLink = onLink;
    element.addEventListener("keydown", (event) => this.#key(event));
    byId("zoom-in").addEventListener("click", () => this.#zoom(1.35));
    byId("zoom-out").addEventListener("click", () => this.#zoom(1 / 1.35));
    byId("zoom-fit").addEventListener("click", () => this.#fit());
    element.addEventListener("focus", () => this.#graph?.userZoomingEnabled(true));
    element.addEventListener("blur", () => this.#graph?.userZoomingEnabled(false));
    element.addEventListener("pointerdown", () => element.focus({ preventScroll: true }));
    new ResizeObserver(() => { if (this.#graph) this.#resize(); }).observe(element);
  }

  /** The cytoscape instance, for measurements. */
  get graph() { return this.#graph; }

  /** Draw a map; nodes stay where they are while only figures change.  `faults`: link to what is wrong with it, for
   *  its flag: the diagnosis, since the shadow under a sound network need not show the fault. */
  show(map, faults = new Map()) {
    this.#map = map;
    this.#faults = faults;
    const shape = JSON.stringify([map.nodes.map((node) => node.id), map.links.map((link) => [link.id, link.a, link.b])]);
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#chosen = null;
      this.#build(map);
    }
    this.#paint();
  }

  setMetric(id) {
    this.#metric = METRICS.find((metric) => metric.id === id) ?? METRICS[0];
    if (this.#map) this.#paint();
  }

  /** Mark the links of a path's way. */
  showWay(links) {
    this.#way = links;
    if (this.#map) this.#paint();
  }

  choose(id) {
    this.#chosen = id;
    if (this.#map) this.#paint();
  }

  retheme() {
    this.#graph?.style(sheet(this.#large(), spacious(this.#map.nodes.length)));
  }

  #large() { return this.#map.nodes.length > LARGE; }

  #build(map) {
    const large = this.#large();
    const places = this.#layout();
    this.#graph?.destroy();
    this.#graph = cytoscape({
      container: this.#element,
      elements: [
        ...map.nodes.map((node) => ({ group: "nodes", data: { id: `n ${node.id}`, label: nameOf(node) }, position: { ...places.get(node.id) } })),
        ...map.links.map((link) => ({ group: "edges", data: { id: `l ${link.id}`, link: link.id, source: `n ${link.a}`, target: `n ${link.b}`, told: link.id } })),
      ],
      style: sheet(large, spacious(map.nodes.length)),
      layout: { name: "null" },
      autoungrabify: true,
      boxSelectionEnabled: false,
      minZoom: 0.05,
      maxZoom: 6,
      textureOnViewport: large,
      pixelRatio: large ? 1 : "auto",
      // The wheel scrolls the page unless the map has the focus.
      userZoomingEnabled: document.activeElement === this.#element,
    });
    this.#graph.on("tap", "edge", (event) => this.#choose(event.target.data("link")));
    this.#graph.on("mouseover", "edge", (event) => event.target.addClass("named"));
    this.#graph.on("mouseout", "edge", (event) => event.target.removeClass("named"));
    this.#settle(places);
  }

  #layout() {
    return layout(this.#map.nodes, this.#map.links, this.#element.clientWidth, this.#element.clientHeight);
  }

  /** The frame has another size: nodes go where they belong in it, flags follow. */
  #resize() {
    this.#graph.resize();
    const places = this.#layout();
    this.#graph.batch(() => {
      this.#graph.nodes(".flag").remove();
      for (const [id, place] of places) this.#graph.getElementById(`n ${id}`).position(place);
    });
    this.#settle(places);
    this.#paint();
  }

  #settle(places) {
    this.#places = places;
    this.#sides = this.#large() ? new Map() : this.#nameSides(places, this.#element.clientWidth < NARROW);
    this.#fit();
  }

  /** Names of the fault domain choose their side first, then routers, then instances; on a phone those have none. */
  #nameSides(places, narrow) {
    const near = new Map();
    for (const { a, b } of this.#map.links) {
      near.set(a, [...(near.get(a) ?? []), b]);
      near.set(b, [...(near.get(b) ?? []), a]);
    }
    const bad = this.#map.links.filter((link) => link.suspect).map((link) => [link.a, link.b]);
    const ends = new Set(bad.flat());
    const names = this.#map.nodes.filter((node) => !(narrow && node.kind === "host"))
      .sort((one, other) => (ends.has(other.id) - ends.has(one.id)) || ((one.kind === "host") - (other.kind === "host")) || (near.get(other.id)?.length ?? 0) - (near.get(one.id)?.length ?? 0))
      .map((node) => ({ id: node.id, text: nameOf(node), kind: node.kind, must: ends.has(node.id), ...places.get(node.id) }));
    const sides = nameSides(names, near, places, bad);
    return new Map(this.#map.nodes.map((node) => [node.id, sides.get(node.id) ?? "none"]));
  }

  /** Show all.  Of a large map by its nodes alone: names beyond its edge are too small to be read then. */
  #fit() {
    if (!this.#graph) return;
    if (!this.#large()) { this.#graph.fit(undefined, PADDING); return; }
    const { clientWidth, clientHeight } = this.#element;
    const far = [...this.#places.values()].reduce((most, place) => ({ x: Math.max(most.x, place.x), y: Math.max(most.y, place.y) }), { x: 1, y: 1 });
    const zoom = Math.min((clientWidth - 2 * PADDING) / far.x, (clientHeight - 2 * PADDING) / far.y);
    this.#graph.viewport({ zoom, pan: { x: (clientWidth - far.x * zoom) / 2, y: (clientHeight - far.y * zoom) / 2 } });
  }

  #paint() {
    const way = new Set(this.#way);
    const touched = new Set();
    const seen = { way: false, unknown: false, domain: false, affected: false, hosts: this.#map.nodes.some((node) => node.kind === "host") };
    this.#graph.batch(() => {
      for (const link of this.#map.links) {
        const edge = this.#graph.getElementById(`l ${link.id}`);
        const { value, step } = worst(this.#metric, link);
        const classes = [step === null ? "unknown" : `step-${step}`];
        if (step === null) seen.unknown = true;
        if (link.directions.some((direction) => direction.affected_paths > 0)) { classes.push("affected"); seen.affected = true; }
        if (link.suspect) { classes.push("domain"); seen.domain = true; touched.add(link.a).add(link.b); }
        this.#flag(link, edge);
        if (way.has(link.id)) { classes.push("on-way"); seen.way = true; }
        if (this.#chosen === link.id) classes.push("chosen");
        edge.classes(classes);
        edge.data("told", value === null ? link.id : `${link.id}: ${this.#metric.label.toLowerCase()} ${this.#metric.show(value)}`);
      }
      for (const node of this.#map.nodes) {
        const classes = [node.kind, `name-${this.#sides.get(node.id) ?? "bottom"}`];
        if (touched.has(node.id)) classes.push("at-fault");
        if (node.affected) classes.push("end");
        this.#graph.getElementById(`n ${node.id}`).classes(classes);
      }
    });
    legend(byId("legend"), this.#metric, seen);
    this.#element.setAttribute("aria-label", this.#words());
  }

  #flag(link, edge) {
    const id = `f ${link.id}`;
    const flag = this.#graph.getElementById(id);
    if (!link.suspect) {
      if (flag.length) flag.remove();
      return;
    }
    const label = `✕ ${link.id}${this.#faults.has(link.id) ? `: ${this.#faults.get(link.id)}` : ""}`;
    if (flag.length) { flag.data("label", label); return; }
    const places = this.#graph.nodes().map((node) => node.position());
    this.#graph.add({ group: "nodes", data: { id, label }, classes: "flag", selectable: false,
      position: flagPlace(edge.source().position(), edge.target().position(), places) });
  }

  #words() {
    const domain = this.#map.links.filter((link) => link.suspect).map((link) => link.id);
    const size = `Map of ${this.#map.name}: ${this.#map.nodes.length} nodes, ${this.#map.links.length} links.`;
    return `${size} ${domain.length ? `Fault domain: ${domain.slice(0, 5).join(", ")}.` : "No fault domain."}`;
  }

  #choose(id) {
    this.choose(id);
    this.#onLink(id);
  }

  /** Links in the order in which they deserve a look. */
  #ranked() {
    return [...this.#map.links].sort((one, other) => (other.suspect - one.suspect)
      || ((worst(this.#metric, other).value ?? -1) - (worst(this.#metric, one).value ?? -1)) || (one.id < other.id ? -1 : 1));
  }

  #zoom(factor) {
    this.#graph?.zoom({ level: this.#graph.zoom() * factor, renderedPosition: { x: this.#element.clientWidth / 2, y: this.#element.clientHeight / 2 } });
  }

  #key(event) {
    if (!this.#graph || event.ctrlKey || event.altKey || event.metaKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (MOVES[key]) this.#graph.panBy({ x: MOVES[key][0], y: MOVES[key][1] });
    else if (key === "+" || key === "=") this.#zoom(1.35);
    else if (key === "-") this.#zoom(1 / 1.35);
    else if (key === "0") this.#fit();
    else if (key === "n" || key === "p") this.#walk(key === "n" ? 1 : -1);
    else if (key === "Enter" && this.#chosen) this.#onLink(this.#chosen);
    else return;
    event.preventDefault();
  }

  #walk(by) {
    const ranked = this.#ranked();
    const at = ranked.findIndex((link) => link.id === this.#chosen);
    const link = ranked[(at + by + ranked.length) % ranked.length] ?? ranked[0];
    this.choose(link.id);
    const { value } = worst(this.#metric, link);
    speak(`${link.id}, ${this.#metric.label} ${value === null ? "not known" : this.#metric.show(value)}${link.suspect ? ", in the fault domain" : ""}`);
  }
}
