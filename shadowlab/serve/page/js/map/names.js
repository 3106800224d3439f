// On which side of its node each name stands, and which names are left out because they would cover others.
// In: nodes with places, in the order of their importance, and who is linked to whom.  Out: id to side, or "none".

const SIDES = [["bottom", Math.PI / 2], ["top", -Math.PI / 2], ["right", 0], ["left", Math.PI]];
const LETTER = { router: 6.9, host: 5.4 };
const HEIGHT = { router: 13, host: 11 };
const SYMBOL = 9;

/** `names`: [{id, text, kind, must, x, y}]; `near`: id to the ids of its neighbours; `places`: id to the place of every node;
 *  `lines`: pairs of ids between which nothing must be covered. */
export function nameSides(names, near, places, lines) {
  const square = ({ x, y }, reach, id) => ({ left: x - reach, right: x + reach, top: y - reach, bottom: y + reach, id });
  const symbols = [...places].map(([id, place]) => square(place, SYMBOL, id));
  for (const [one, other] of lines) {
    const [from, to] = [places.get(one), places.get(other)];
    for (let part = 0.1; part < 0.95; part += 0.1) symbols.push(square({ x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part }, 5, null));
  }
  const placed = [];
  const sides = new Map();
  for (const name of names) {
    const angles = (near.get(name.id) ?? []).map((id) => places.get(id)).filter(Boolean).map((other) => Math.atan2(other.y - name.y, other.x - name.x));
    const free = (angle) => angles.reduce((least, other) => Math.min(least, Math.abs(Math.atan2(Math.sin(angle - other), Math.cos(angle - other)))), Math.PI);
    const ranked = [...SIDES].sort((one, other) => free(other[1]) - free(one[1]));
    const fits = ranked.map(([side]) => ({ side, box: box(name, side) }))
      .find(({ box: own }) => !placed.some((other) => overlap(own, other)) && !symbols.some((other) => other.id !== name.id && overlap(own, other)));
    sides.set(name.id, fits?.side ?? (name.must ? ranked[0][0] : "none"));
    if (fits) placed.push(fits.box);
  }
  return sides;
}

function box(name, side) {
  const kind = name.kind === "host" ? "host" : "router";
  const [width, height] = [name.text.length * LETTER[kind], HEIGHT[kind]];
  const x = side === "left" ? name.x - SYMBOL - width : side === "right" ? name.x + SYMBOL : name.x - width / 2;
  const y = side === "top" ? name.y - SYMBOL - height : side === "bottom" ? name.y + SYMBOL : name.y - height / 2;
  return { left: x, right: x + width, top: y, bottom: y + height };
}

const overlap = (one, other) => one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
