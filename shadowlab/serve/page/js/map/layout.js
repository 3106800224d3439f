// Where the nodes are drawn: as the server says (coordinates of the map, or its own layout, computed once), brought to
// the size of the frame, so that names have their true size when the whole map is seen.
// In: nodes with x and y in any scale, the frame's width and height in pixels.  Out: Map of id to {x, y}.

const MARGIN = 30;
const LEAST = 27;
const ROOM = 60;
const STRETCH = 1.6;

/** How many times larger than its frame a map of so many nodes is laid out. */
export const spacious = (count) => Math.max(1, Math.sqrt(count / ROOM));

export function layout(nodes, links, width, height) {
  const [xs, ys] = [nodes.map((node) => node.x), nodes.map((node) => node.y)];
  const low = (values) => values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = (values) => values.reduce((most, value) => Math.max(most, value), -Infinity);
  const [left, top] = [low(xs), low(ys)];
  // Many nodes need more room than the frame has, or their symbols cover each other: such a map is zoomed into.
  const more = spacious(nodes.length);
  const [across, down] = [(width - 2 * MARGIN) / (high(xs) - left || 1), (height - 2 * MARGIN) / (high(ys) - top || 1)];
  // A little out of shape is better than names on top of each other in an empty frame.
  const scale = { x: more * Math.min(across, down * STRETCH), y: more * Math.min(down, across * STRETCH) };
  const places = new Map(nodes.map((node) => [node.id, { x: (node.x - left) * scale.x, y: (node.y - top) * scale.y }]));
  keepOff(nodes, links, places);
  return places;
}

/** An instance stands off the one node that it hangs at, or their symbols cover each other on a small screen. */
function keepOff(nodes, links, places) {
  const near = new Map();
  for (const link of links) {
    near.set(link.a, [...(near.get(link.a) ?? []), link.b]);
    near.set(link.b, [...(near.get(link.b) ?? []), link.a]);
  }
  for (const node of nodes) {
    const [anchor, another] = near.get(node.id) ?? [];
    if (node.kind !== "host" || !anchor || another) continue;
    const [own, there] = [places.get(node.id), places.get(anchor)];
    const [x, y] = [own.x - there.x, own.y - there.y];
    const distance = Math.hypot(x, y);
    if (distance > 0 && distance < LEAST) {
      own.x = there.x + (x / distance) * LEAST;
      own.y = there.y + (y / distance) * LEAST;
    }
  }
}
