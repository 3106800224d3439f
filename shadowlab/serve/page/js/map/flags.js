// Flags on the links of the fault domain: their names, where they cover no node.
// In: a link's two ends, all nodes' places.  Out: the place of its flag.

const OFFSETS = [[0, -34], [0, 38], [0, -58], [0, 62], [60, -40], [-60, -40], [60, 44], [-60, 44], [0, -84], [0, 90]];
const NEAR = 62;

/** Beside the middle of the link, the first place that is far enough from every node; else the farthest. */
export function flagPlace(one, other, places) {
  const middle = { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
  let best = null;
  for (const [dx, dy] of OFFSETS) {
    const at = { x: middle.x + dx, y: middle.y + dy };
    // A flag is three times as wide as high.
    const gap = places.reduce((least, place) => Math.min(least, Math.hypot((place.x - at.x) / 1.6, (place.y + 6 - at.y) * 1.5)), Infinity);
    if (gap >= NEAR) return at;
    if (!best || gap > best.gap) best = { ...at, gap };
  }
  return { x: best.x, y: best.y };
}
