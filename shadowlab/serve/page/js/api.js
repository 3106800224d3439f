// What the server knows, asked by HTTP.  In: nothing but paths.  Out: plain values, or an ApiError whose words can be shown.
// This and events.js are the only files that speak to the server.

const ROOT = "api/v1/";

export class ApiError extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

let onSessionOver = () => {};

/** Called when the server wants a token. */
export function whenSessionIsOver(call) { onSessionOver = call; }

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(ROOT + path, { credentials: "same-origin", ...options });
  } catch {
    throw new ApiError(0, "the server cannot be reached");
  }
  const text = await answer.text();
  let document = null;
  try { document = text ? JSON.parse(text) : null; } catch { /* no JSON: the status tells enough */ }
  if (answer.ok) return document;
  if (answer.status === 401 && path !== "session") onSessionOver();
  const wait = answer.headers.get("Retry-After");
  const words = document?.detail || document?.title || `the server said ${answer.status}`;
  throw new ApiError(answer.status, wait ? `${words} (try again in ${wait} s)` : words);
}

const change = (method, path, body) => ask(path, {
  method,
  headers: { "X-ShadowLab": "1", ...(body ? { "Content-Type": "application/json" } : {}) },
  body: body ? JSON.stringify(body) : undefined,
});

const of = (source, rest = "") => `sources/${encodeURIComponent(source)}${rest}`;

export const session = () => ask("session");
export const signIn = (token) => change("POST", "session", { token });
export const sources = async () => (await ask("sources")).sources;
export const overview = (source) => ask(of(source));
export const map = (source) => ask(of(source, "/map"));
export const paths = async (source) => (await ask(of(source, "/paths"))).paths;
export const indicators = async (source) => (await ask(of(source, "/indicators"))).indicators;
export const incidents = async (source) => (await ask(of(source, "/incidents"))).incidents;
export const incident = (source, id) => ask(of(source, `/incidents/${encodeURIComponent(id)}`));
export const forecast = (source) => ask(of(source, "/forecast"));
export const kinds = async () => (await ask("whatif/kinds")).kinds;
export const jobs = async () => (await ask("jobs")).jobs;
export const askWhatIf = (question) => change("POST", "jobs", question);
export const stopJob = (id) => change("DELETE", `jobs/${encodeURIComponent(id)}`);
export const answerOf = (id) => ask(`jobs/${encodeURIComponent(id)}/answer`);

export function series(source, kind, subject, kpis) {
  const query = new URLSearchParams({ kind, subject, points: "600" });
  for (const kpi of kpis) query.append("kpi", kpi);
  return ask(of(source, `/series?${query}`));
}
