"""The web page with a thousand nodes, in Chromium without a screen: until it is drawn, and a move of the map.

The server is a stand-in with documents in memory, so it is the page that is measured.
"""

from __future__ import annotations

import shutil
import sys
import time

from benchmarks import report

RUNS = 5
MOVES = 60
MOVE = """async () => {
  const graph = window.shadowlabMap.graph;
  const frame = () => new Promise(requestAnimationFrame);
  const times = [];
  await frame();
  for (let move = 0; move < %d; move += 1) {
    const before = performance.now();
    graph.panBy({ x: move %% 2 ? 4 : -6, y: 2 });
    await frame();
    times.push(performance.now() - before);
  }
  return times;
}"""


def main() -> None:
    """Print the figures; of every run the median move."""
    from playwright.sync_api import sync_playwright

    from tests.stories.page_documents import fabric
    from tests.stories.page_stand_in import standing_in

    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium: scripts/setup --tests installs it")
    documents = fabric(spines=8, leaves=48, hosts=20)
    size = {part: len(documents[0]["sources/net-1/map"][part]) for part in ("nodes", "links")}
    drawn, moved, slowest = [], [], []
    with standing_in(*documents) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for _ in range(RUNS):
            page = browser.new_page(viewport={"width": 1366, "height": 900})
            before = time.monotonic()
            page.goto(server.address)
            page.wait_for_selector("#charts canvas")
            drawn.append((time.monotonic() - before) * 1000)
            times = sorted(page.evaluate(MOVE % MOVES))
            moved.append(times[MOVES // 2])
            slowest.append(times[-1])
            page.close()
        browser.close()
    report(benchmark="page of a thousand nodes, drawn", unit="ms", values=drawn, **size)
    report(benchmark="page of a thousand nodes, one move of the map", unit="ms", values=moved, slowest_ms=max(slowest))


if __name__ == "__main__":
    main()
