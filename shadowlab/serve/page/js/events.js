// What the server says by itself.  EventSource reconnects and resumes; this tells whether it is connected.

const NAMES = ["hello", "source", "gone", "samples", "incident", "job", "reset"];
const PATIENCE_MS = 10000;

/** `hear` maps event names to functions of their data; `state` is called with "live", "lost" or "connecting". */
export function listen(hear, state) {
  let stream = null;
  const open = () => {
    stream = new EventSource("api/v1/events");
    stream.addEventListener("open", () => state("live"));
    stream.addEventListener("error", () => {
      state("lost");
      // A refused connection (too many listeners, a session that is over) is not tried again by the browser.
      if (stream.readyState === EventSource.CLOSED) setTimeout(open, PATIENCE_MS);
    });
    for (const name of NAMES) {
      stream.addEventListener(name, (event) => hear[name]?.(JSON.parse(event.data)));
    }
  };
  state("connecting");
  open();
}
