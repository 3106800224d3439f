// Numbers and moments as network engineers write them.

/** Three significant digits, no trailing zeros, no exponent; an en dash for what is not known. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const digits = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return value.toFixed(digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

export const percent = (share) => (share === null || share === undefined ? "–" : `${number(share * 100)} %`);

export function rate(bps) {
  if (bps === null || bps === undefined) return "no limit";
  const steps = [[1e9, "Gbit/s"], [1e6, "Mbit/s"], [1e3, "kbit/s"]];
  for (const [size, unit] of steps) if (bps >= size) return `${number(bps / size)} ${unit}`;
  return `${number(bps)} bit/s`;
}

/** A value in the unit of its indicator. */
export function withUnit(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "fraction") return percent(value);
  return unit ? `${number(value)} ${unit}` : number(value);
}

/** m:ss, or h:mm:ss. */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (part) => String(part).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** "4 min", "3 h 20 min", "2 days". */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 36) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.round(hours / 24)} days`;
}

/** A moment in seconds: of a run counted from its start, else the local time of day, with the date if it is another day. */
export function moment(seconds, unix) {
  if (seconds === null || seconds === undefined) return "–";
  if (!unix) return clock(seconds);
  const when = new Date(seconds * 1000);
  const time = when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  if (when.toDateString() === new Date().toDateString()) return time;
  return `${when.toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" })}, ${time}`;
}

export const plural = (count, word) => `${count} ${count === 1 ? word : `${word}s`}`;

/** The first few of many, and how many more. */
export function some(names, most = 4) {
  const all = [...names];
  return all.length <= most ? all.join(", ") : `${all.slice(0, most).join(", ")} and ${all.length - most} more`;
}
