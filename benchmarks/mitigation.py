"""A campaign of mitigations: incidents in hidden networks, every cure tried there, and who chose how well.

``python -m benchmarks.mitigation --seed N [--seeds COUNT] [--robust] [--folder DIR]``; ``--page`` renews the table in
`docs/explanation/decisions.md` from all rows in the folder.  Every run is kept: a campaign that was stopped goes on.
Seeds from 1000 on are for development.  Penalty: the 99 % point of short transfers' completion times in production with
the action chosen, over that with the best action tried there, minus 1.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import report
from benchmarks.hidden.produce import grounds
from benchmarks.mitigated.campaign import OURS, Campaign, Row
from benchmarks.mitigated.incidents import CLASSES, FAMILIES, case
from benchmarks.mitigated.trying import places

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "decisions.md"
BEGIN, END = "<!-- measured -->", "<!-- end of measured -->"
TARGETS = {"loss": 0.05, "capacity": 0.05, "rack": 0.20}
ROWS = "rows.jsonl"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--seeds", type=int, default=1)
    asked.add_argument("--robust", action="store_true")
    asked.add_argument("--page", action="store_true")
    asked.add_argument("--folder", type=Path, default=Path("build/mitigation"))
    given = asked.parse_args()
    file: Path = given.folder / ROWS
    if given.page:
        write_page([json.loads(line) for line in file.read_text().splitlines()])
        return
    production, shadow = places(grounds(), given.folder / "runs")
    campaign = Campaign(production=production, shadow=shadow, folder=given.folder)
    for seed in range(given.seed, given.seed + given.seeds):
        for kind in CLASSES:
            for family in FAMILIES:
                for row in campaign.rows(case(seed, kind, family), robust=given.robust):
                    keep(file, row)
                    print(json.dumps(row, ensure_ascii=False), flush=True)
    summarise([json.loads(line) for line in file.read_text().splitlines()])


def keep(file: Path, row: Row) -> None:
    """The newest row of a chooser in a case stands."""
    file.parent.mkdir(parents=True, exist_ok=True)
    old = file.read_text().splitlines() if file.exists() else []
    mine = (row["case"], row["known"], row["who"])
    others = [one for line in old if (one := json.loads(line)) and (one["case"], one["known"], one["who"]) != mine]
    part = file.with_suffix(".part")
    part.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in [*others, row]))
    part.replace(file)


def groups(rows: Sequence[Row]) -> dict[tuple[str, str, str], list[Row]]:
    """By what was known, chooser and class."""
    found: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        found[str(row["known"]), str(row["who"]), str(row["class"])].append(row)
    return dict(found)


def summarise(rows: Sequence[Row]) -> None:
    """One JSON line for each group; the target is that of the worst penalty."""
    for (known, who, kind), some in groups(rows).items():
        report(
            benchmark=f"mitigation, {kind}, {known}: {who}",
            unit="penalty",
            values=[float(str(row["penalty"])) for row in some],
            target=TARGETS[kind] if who == OURS else None,
            **{name: value for name, value in figures(some).items() if value is not None},
        )


def figures(some: Sequence[Row]) -> dict[str, float | None]:
    """Of one group."""
    penalties = np.array([float(str(row["penalty"])) for row in some])
    taus = [float(str(row["tau"])) for row in some if row.get("tau") is not None]
    walls = [float(str(row["decided_s"])) for row in some if row.get("decided_s") is not None]
    return {
        "mean": float(penalties.mean()),
        "p90": float(np.percentile(penalties, 90)),
        "worst": float(penalties.max()),
        "top1": float(np.mean([row["chosen"] == row["best"] for row in some])),
        "harmful": float(np.mean([bool(row["harmful"]) for row in some])),
        "tau": float(np.mean(taus)) if taus else None,
        "decided_s": max(walls) if walls else None,
    }


def write_page(rows: Sequence[Row]) -> None:
    """Renew what stands between the marks."""
    cases = sorted({str(row["case"]) for row in rows})
    seeds = ", ".join(sorted({one.split()[-1] for one in cases}, key=int))
    lines = [
        f"Incidents: {len(cases)}, of seeds: {seeds}.",
        "",
        "| class | known | who | cases | penalty: mean | p90 | worst | best chosen | harmful | Kendall's tau | "
        "slowest decision |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    ordered = sorted(
        groups(rows).items(), key=lambda one: (one[0][2], one[0][0] != "as known", one[0][0], one[0][1] != OURS)
    )
    for (known, who, kind), some in ordered:
        of = figures(some)
        cells = [f"{100 * (of[name] or 0.0):.0f} %" for name in ("mean", "p90", "worst", "top1", "harmful")]
        tau = "" if of["tau"] is None else f"{of['tau']:.2f}"
        wall = "" if of["decided_s"] is None else f"{of['decided_s']:.0f} s"
        lines.append(f"| {' | '.join([kind, known, who, str(len(some)), *cells, tau, wall])} |")
    text = PAGE.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}")


if __name__ == "__main__":
    main()
