"""Mechanism of heads: what their effects are owed to, and what they write, with a verdict each.

Tables are those of `analyses/head_parts.py` and `analyses/head_writes.py`.  A verdict is given only
where the evidence excludes the alternative: a head *acts* if patching it is significant over all
items (family-wise over heads), exceeds its placebo and is worth `least` of d; it acts by its
attention, or by its values, if that part alone does the same and most of it.  It *constructs* if it
writes along the negation, and *suppresses* if it takes from the noun, significantly (family-wise
over heads and both directions), beyond both controls, and `least` or more of the whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from negtrace.statistics.clusters import FEWEST_CLUSTERS
from negtrace.statistics.credible import credible
from negtrace.statistics.effect_sizes import DEFAULTS, Options, interval_of
from negtrace.statistics.map_values import ENDS, SUPPORT
from negtrace.statistics.placebo import beside_placebo
from negtrace.statistics.resampling import sign_flip_tests
from negtrace.vocabulary import ALL

RATIO = [f"ratio{end}" for end in ENDS]
HEAD = ["layer", "head"]
PART_MAP = [
    *("negation", "direction", *HEAD, "part", *RATIO, *(f"difference{end}" for end in ENDS)),
    *("p", "p_fwer", "q_fdr", "placebo", "exceeds_placebo", "kept", "least", *SUPPORT),
]
WRITE_MAP = [
    *(*HEAD, "role", "axis", *RATIO, "p", "p_fwer", "swap", "control"),
    *("exceeds_controls", "kept", "least", "n_pairs", "n_clusters"),
]
VERDICT = [*HEAD, "role", "acts", "by", "verdict"]

PARTS = ("both", "attention", "values")
TOGETHER, EITHER, UNTOLD = "both together", "either", "not told apart"
MOST = 0.5

# By whether a head constructs, and whether it suppresses.
VERDICTS = {
    (True, False): "construction",
    (False, True): "suppression",
    (True, True): "both",
    (False, False): "neither shown",
}

# The sign that each direction's finding has.
SIGNS = {"negation": 1, "noun": -1}


def part_map(
    parts: pd.DataFrame,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    least: float,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Effect of every head, of its attention alone and of its values alone, by negation.

    Args:
        parts: table ``head_parts``.
        scores, segments: tables of those names; items that are not in `segments` are left out.
        least: share of d that a part has to be worth to be kept.

    Returns:
        `PART_MAP`; families of corrected p-values are all heads, for each part; placebo is the mean
        change by it (logits), null where there is none.

    Raises:
        InputError: see `map_values.item_values`.
    """
    cells = parts.assign(
        site=parts["part"].astype(str),
        position=pd.array([pd.NA] * len(parts), dtype="Int16"),
        role=ALL,
        eligible=True,
        known=False,
    ).astype({"head": "Int16"})
    tables = [
        beside_placebo(part, scores, segments, options)
        for _, part in cells.groupby("site", sort=False)
    ]
    found = pd.concat(tables, ignore_index=True).astype({"head": "int16"})
    kept = credible(found, 1 - options.level) & (found["ratio"].abs() >= least)
    return found.assign(part=found["site"], kept=kept, least=least)[PART_MAP]


def write_map(writes: pd.DataFrame, least: float, options: Options = DEFAULTS) -> pd.DataFrame:
    """What every head writes along the negation and the noun, over all pairs.

    Args:
        writes: table ``head_writes``.
        least: share of the whole that a finding has to be worth.

    Returns:
        `WRITE_MAP`: ratio, the share of the whole, whose p is of what is written against 0; swap
        and control, the same shares by the neutral swap (over the pairs that have one; null where
        none has) and of the control; exceeds_controls, whether it goes significantly beyond both in
        its own direction; kept, whether it is a finding (see above).
    """
    cell = [*HEAD, "role", "axis"]
    plain = writes.astype({"role": object, "axis": object, "cluster_id": object})
    plain = plain.assign(
        beyond_swap=plain["along"] - plain["swap"],
        beyond_control=plain["along"] - plain["control"],
        whole_swap=plain["whole"].where(plain["swap"].notna()),
    )
    values = ["along", "whole", "swap", "whole_swap", "control", "beyond_swap", "beyond_control"]
    sums = plain.pivot_table(
        index="cluster_id", columns=cell, values=values, aggfunc="sum", fill_value=0.0
    )
    of = {name: pd.DataFrame(sums[name]).to_numpy(float) for name in values}
    cells = pd.DataFrame(sums["along"]).columns.to_frame(index=False)

    def p_fwer(values: np.ndarray) -> np.ndarray:
        return sign_flip_tests(values, options.flips, options.seed).p_fwer

    tests = sign_flip_tests(of["along"], options.flips, options.seed)
    low = high = np.full(len(cells), np.nan)
    if len(sums) >= FEWEST_CLUSTERS:
        low, high = interval_of(len(sums), options)(of["along"], of["whole"])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, control, swap = (
            of[above].sum(0) / of[below].sum(0)
            for above, below in (("along", "whole"), ("control", "whole"), ("swap", "whole_swap"))
        )
    sign = cells["axis"].map(SIGNS).to_numpy()
    alpha = 1 - options.level
    has_swap = of["whole_swap"].any(axis=0)
    exceeds = (p_fwer(of["beyond_control"]) <= alpha) & (of["beyond_control"].sum(0) * sign > 0)
    beyond_swap = (p_fwer(of["beyond_swap"]) <= alpha) & (of["beyond_swap"].sum(0) * sign > 0)
    exceeds &= beyond_swap | ~has_swap
    clear = np.where(sign > 0, low > 0, high < 0)
    kept = (tests.p_fwer <= alpha) & exceeds & clear & (sign * ratio >= least)
    pairs = plain.groupby(cell, observed=True)["pair_id"].nunique().rename("n_pairs")
    clusters = plain.groupby(cell, observed=True)["cluster_id"].nunique().rename("n_clusters")
    table = cells.assign(
        ratio=ratio,
        ratio_ci_low=low,
        ratio_ci_high=high,
        p=tests.p,
        p_fwer=tests.p_fwer,
        swap=swap,
        control=control,
        exceeds_controls=exceeds,
        kept=kept,
        least=least,
    )
    return table.join(pairs, on=cell).join(clusters, on=cell)[WRITE_MAP]


def verdicts(parts: pd.DataFrame, writes: pd.DataFrame) -> pd.DataFrame:
    """What can be said of every head.

    Args:
        parts, writes: `part_map` and `write_map`.

    Returns:
        `VERDICT`: acts, whether patching the head is kept; by, ``attention`` or ``values`` where
        that alone is kept and worth `MOST` of what both do, ``either`` where each is, else ``both
        together``, or ``not told apart`` where no pattern could be patched; verdict,
        ``construction``, ``suppression``, ``both`` or ``neither shown``.  by and verdict are null
        for heads that do not act.
    """
    rows = parts[parts["negation"] == ALL].astype({"part": str})
    both = rows[rows["part"] == "both"]
    alone = rows.merge(both[[*HEAD, "difference"]], on=HEAD, suffixes=("", "_both"))
    alone = alone[alone["kept"] & (alone["difference"] / alone["difference_both"] >= MOST)]
    attended = _keys(rows[rows["part"] == "attention"], HEAD)
    most = {name: _keys(alone[alone["part"] == name], HEAD) for name in PARTS}
    kept = _keys(writes[writes["kept"]].astype({"axis": str}), [*HEAD, "axis"])
    role_of = writes.drop_duplicates(HEAD).set_index(HEAD)["role"].astype(object).to_dict()
    table = []
    row: Any
    for row in both.itertuples():
        head = (row.layer, row.head)
        along = {axis: (*head, axis) in kept for axis in SIGNS}
        shown = (along["negation"], along["noun"])
        by = [name for name in PARTS[1:] if head in most[name]]
        owed = {0: TOGETHER, 1: "".join(by), 2: EITHER}[len(by)]
        if not by and head not in attended:
            owed = UNTOLD
        found = (owed, VERDICTS[shown]) if row.kept else (None, None)
        table.append((*head, role_of.get(head), bool(row.kept), *found))
    return pd.DataFrame(table, columns=VERDICT)


def _keys(table: pd.DataFrame, columns: list[str]) -> set[tuple[Any, ...]]:
    return set(table[columns].itertuples(index=False, name=None))
