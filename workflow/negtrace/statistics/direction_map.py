"""Direction map: how much of d lies along a negation direction, and from template to template.

Tables are those of `analyses/directions.py`.  A patch along a direction is a cell like any other:
its effect, interval and tests are those of `effect_sizes.py` (family: one direction at all roles
and hidden states).  Random directions along which states are moved as far as along the difference
of means are its placebo.  A direction exceeds them where it goes significantly beyond their mean
(`donor_map.py`) and further than each of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from negtrace.statistics.credible import credible
from negtrace.statistics.directions import ANOTHER, RANDOM, SAME
from negtrace.statistics.donor_map import donor_map
from negtrace.statistics.effect_sizes import DEFAULTS, Options, cell_tests, with_limits
from negtrace.statistics.map_values import ENDS, SUPPORT, cluster_sums, item_values, support
from negtrace.statistics.placebo import beside_placebo
from negtrace.statistics.resampling import share_interval
from negtrace.vocabulary import ALL

PLACE = ["direction", "layer", "role"]
COLUMNS = [
    *("negation", *PLACE, "method"),
    *(f"{name}{end}" for name in ("ratio", "difference", "share") for end in ENDS),
    *("whole", "p", "p_fwer", "q_fdr", "random", "random_highest", "exceeds_random", "kept"),
    "least",
    *(f"accuracy{end}" for end in ENDS),
    *SUPPORT,
]
COSINE = [f"cosine{end}" for end in ENDS]
TRANSFER = [
    *("factor", "fitted_on", "tested_on", *PLACE, *COSINE),
    *(f"ratio{end}" for end in ENDS),
    *("p", *SUPPORT),
]


def as_cells(patched: pd.DataFrame) -> pd.DataFrame:
    """Rows of the table ``directions`` as those of a sweep over hidden states."""
    head = pd.array([pd.NA] * len(patched), dtype="Int16")
    return patched.assign(site="resid", head=head, eligible=True, known=False)


def direction_map(
    directions: pd.DataFrame,
    told: pd.DataFrame,
    sweep: pd.DataFrame,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    least: float,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Effect of every direction that was fitted to all pairs, over all items, by negation.

    Args:
        directions, told: tables ``directions`` and ``direction_accuracy``.
        sweep: table of that name, of site resid in the same direction: whole hidden states.
        scores, segments: tables of those names; items that are not in `segments` are left out.
        least: share of d that a direction has to be worth to be kept.

    Returns:
        `COLUMNS`: ratio, the share of d, and difference (logits), with tests of the latter; share
        of what the whole hidden state does (null where that is not significant), which is `whole`
        of d; random, the mean ratio of random directions, and random_highest, the largest there is;
        accuracy, the share of states of pairs that the direction was not fitted to, on the right
        side of the middle (over both negations); kept, whether it is significant, exceeds random
        directions and is worth `least`.

    Raises:
        InputError: see `map_values.item_values`.
    """
    whole = segments.assign(segment="")  # segments are chosen by d, and nothing is tested there
    cells = as_cells(directions[directions["factor"].isna()])
    full = sweep[sweep["eligible"]]
    key = ["item_id", *PLACE, "position"]
    noise = cells[cells["method"] == RANDOM]
    mean = noise.groupby(key, observed=True)["s_patched"].mean().rename("s_placebo").reset_index()
    drawn = random_ratios(noise, scores, segments)
    told_cells = accuracy(told, options.level)
    parts = []
    for method in dict.fromkeys(cells.loc[cells["method"] != RANDOM, "method"].astype(str)):
        along = cells[cells["method"] == method].merge(mean, on=key, how="left", validate="1:1")
        found = beside_placebo(along, scores, segments, options)
        # How much of a cell's own effect another source has: here, of the whole state's.
        of_whole = donor_map(full, scores, along.assign(donor="transfer"), whole, options)
        same = ["negation", *PLACE]
        share = of_whole.rename(columns={"ratio": "whole"})
        share = share[[*same, "whole", *(f"share{end}" for end in ENDS)]]
        found = found.merge(share, on=same, how="left").merge(drawn, on=same, how="left")
        found = found.merge(told_cells[told_cells["method"] == method], on=PLACE, how="left")
        beyond = found["exceeds_placebo"].astype(object).eq(True)
        beyond &= ~(found["ratio"].abs() <= found["random_highest"].abs())
        kept = credible(found, 1 - options.level) & beyond & (found["ratio"].abs() >= least)
        parts.append(found.assign(method=method, exceeds_random=beyond, kept=kept, least=least))
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def random_ratios(
    noise: pd.DataFrame, scores: pd.DataFrame, segments: pd.DataFrame
) -> pd.DataFrame:
    """negation, `PLACE`, random and random_highest: mean and largest share of d over draws."""
    values = item_values(noise, scores, segments).assign(draw=noise["draw"])
    negation = scores.set_index("item_id")["negation"].astype(object)
    values = values.assign(negation=values["item_id"].astype(object).map(negation))
    every = pd.concat([values, values.assign(negation=ALL)])
    sums = every.groupby(["negation", *PLACE, "draw"], observed=True)[["change", "d"]].sum()
    ratio = (sums["change"] / sums["d"]).rename("ratio").reset_index()
    grouped = ratio.groupby(["negation", *PLACE], observed=True)["ratio"]
    largest = grouped.apply(lambda of: of.iloc[of.abs().argmax()])
    return pd.DataFrame({"random": grouped.mean(), "random_highest": largest}).reset_index()


def accuracy(told: pd.DataFrame, level: float) -> pd.DataFrame:
    """`PLACE`, method and accuracy with its interval over clusters, from pairs' counts."""
    cell = [*PLACE, "method"]
    plain = told.astype(dict.fromkeys([*cell, "cluster_id"], object))
    by_cluster = plain.pivot_table(
        index="cluster_id", columns=cell, values=["right", "states"], aggfunc="sum", fill_value=0
    )
    right, states = (pd.DataFrame(by_cluster[name]) for name in ("right", "states"))
    low, high = share_interval(right.to_numpy(float), states.to_numpy(float), level)
    table: pd.DataFrame = right.columns.to_frame(index=False)
    share = right.to_numpy(float).sum(0) / states.to_numpy(float).sum(0)
    limits = {"accuracy": share, "accuracy_ci_low": low, "accuracy_ci_high": high}
    return table.assign(**limits)


def direction_transfer(
    directions: pd.DataFrame,
    cosines: pd.DataFrame,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Whether the direction of one template, or negator, serves the others.

    Args:
        directions, cosines: tables ``directions`` and ``direction_cosines``.

    Returns:
        `TRANSFER`, over all items of the level tested_on: share of d along the direction of the
        level fitted_on, and the cosine between the directions of both, with limits by its standard
        error on Fisher's z.  tested_on ``all`` sums up: fitted_on is ``the same`` or ``another``
        level than each item's.  Empty where there is one group of pairs only.
    """
    crossed = directions[directions["factor"].notna()]
    if crossed.empty:
        return pd.DataFrame(columns=TRANSFER)
    cells = as_cells(crossed)
    names = ["factor", "fitted_on", "tested_on"]
    values = item_values(cells, scores, segments).assign(**{n: cells[n].astype(str) for n in names})
    same = values["fitted_on"] == values["tested_on"]
    sums = values.assign(fitted_on=np.where(same, SAME, ANOTHER), tested_on=ALL)
    parts = []
    of: Any
    for of, part in pd.concat([values, sums]).groupby(names, sort=False):
        cluster = cluster_sums(part)
        found = with_limits({"ratio": (cluster.change, cluster.d)}, cluster.n > 0, options)
        table = pd.concat([cluster.cells, support(part)], axis=1)
        p = cell_tests(cluster, options).p
        parts.append(table.assign(**dict(zip(names, of, strict=True)), **found, p=p))
    table = pd.concat(parts, ignore_index=True)
    key = [*names, *PLACE]
    plain = dict.fromkeys(key, object)
    reach = -ndtri((1 - options.level) / 2) * cosines["z_se"].astype(float)
    z = np.arctanh(cosines["cosine"].astype(float).clip(-1, 1))
    limits = cosines.assign(cosine_ci_low=np.tanh(z - reach), cosine_ci_high=np.tanh(z + reach))
    table = table.astype(plain).merge(limits.astype(plain), on=key, how="left")
    return table.astype({"layer": int} | dict.fromkeys(COSINE, float))[TRANSFER]
