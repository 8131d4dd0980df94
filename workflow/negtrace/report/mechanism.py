"""Mechanism in words: by what heads act, and whether they construct or suppress."""

from __future__ import annotations

from typing import Any

import pandas as pd

from negtrace.report.findings import plural
from negtrace.report.intervals import with_limits
from negtrace.vocabulary import ALL

HEAD = ["layer", "head"]
MOST_NAMED = 5
WORDS = {
    "construction": "it constructs",
    "suppression": "it suppresses",
    "both": "it constructs and suppresses",
    "neither shown": "neither construction nor suppression is shown",
}


def of_mechanism(
    verdicts: pd.DataFrame, parts: pd.DataFrame, writes: pd.DataFrame, alpha: float
) -> list[str]:
    """What the heads that act are owed to and write.

    Args:
        verdicts, parts, writes: tables ``mechanism``, ``head_part_map`` and ``head_write_map``.
        alpha: level of the family-wise error.
    """
    rows = parts[parts["negation"] == ALL].astype({"part": str})
    both = rows[rows["part"] == "both"]
    acting = verdicts[verdicts["acts"]].merge(both[[*HEAD, "ratio"]], on=HEAD)
    acting = acting.sort_values("ratio", key=abs, ascending=False)
    said = [
        f"Mechanism: of {plural(len(verdicts), 'head')}, {len(acting)} act: patching them differs"
        f" from 0 at a family-wise error of {alpha:.0%}, exceeds the placebo and is worth"
        f" {rows['least'].iloc[0]:g} of d or more ({both['n_items'].max()} items). What the others"
        " write is not interpreted."
    ]
    row: Any
    for row in acting.head(MOST_NAMED).itertuples():
        of = [
            table[(table["layer"] == row.layer) & (table["head"] == row.head)]
            for table in (rows, writes)
        ]
        patched = of[0].set_index("part")
        written = of[1].astype({"axis": str}).set_index("axis")
        alone = [
            f"its {part} alone {with_limits(patched.loc[part], 'ratio')}"
            for part in ("attention", "values")
            if part in patched.index
        ]
        said.append(
            f"Head {row.layer}.{row.head} restores {with_limits(patched.loc['both'], 'ratio')} of"
            f" d, by {row.by} ({', '.join(alone)}). At {row.role} it writes"
            f" {with_limits(written.loc['negation'], 'ratio')} of the change along the negation and"
            f" {with_limits(written.loc['noun'], 'ratio')} of the noun's length"
            f" ({written['n_pairs'].max()} pairs): {WORDS[row.verdict]}."
        )
    return said
