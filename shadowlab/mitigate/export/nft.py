"""What a cure limits, as nftables rules for the hosts that send.

In: a cure.  Out: text; what is no limit stands in comments.
"""

from __future__ import annotations

from collections.abc import Sequence

from shadowlab.mitigate.export.subject import Blanks, Subject, one_line
from shadowlab.model.cure.action import HoldRate


def text(of: Subject) -> str:
    """A table of our own, so that deleting it takes everything back."""
    blanks = Blanks()
    limits = [one for one in of.actions if isinstance(one, HoldRate) and one.after_bps]
    others = [one for one in of.actions if not isinstance(one, HoldRate)]
    body = _body(limits, blanks)
    lines = [
        f"# {one_line(of.cure)}: {one_line(of.summary)}",
        f"# Rehearsed in {one_line(of.run)}: {one_line(of.gain)}",
        "# Review before use.  Load with nft -f; take back with: nft delete table inet shadowlab_cure",
        *(f"# By other means: {one_line(one.describe())}" for one in others),
        *(f"define {name} = FILL_IN  # {words}" for name, words in blanks.lines()),
    ]
    return "\n".join([*lines, *(body if limits else ["# Nothing in this cure is a limit."]), ""])


def _body(limits: Sequence[HoldRate], blanks: Blanks) -> list[str]:
    rules = []
    for one in limits:
        kbytes = max(1, round(one.after_bps / 8 / 1000))
        rules += [
            f"        # on {one_line(one.source)}",
            f"        ip daddr ${blanks.name('prefix', one.target)} limit rate over {kbytes} kbytes/second drop",
        ]
    return [
        "table inet shadowlab_cure {",
        "    chain output {",
        "        type filter hook output priority 0; policy accept;",
        *rules,
        "    }",
        "}",
    ]
