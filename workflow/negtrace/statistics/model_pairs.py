"""Model pairs: which heads of two models do the same, and what fine-tuning changed.

Two models are compared over the items that both can read.  Clusters are those of the model that is
compared with; each is resampled, and keeps one sign, with its values in both models.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from negtrace.errors import InputError
from negtrace.statistics.atlas import Run, has_share
from negtrace.statistics.effect_sizes import TESTS, Options, with_limits
from negtrace.statistics.groups import attention_by_role
from negtrace.statistics.map_values import CELL, ROUNDING, ClusterSums, cluster_sums, item_values
from negtrace.statistics.resampling import resamples, sign_flip_tests

HEAD = ["layer", "head"]
MATCHED = 200  # resamples at most in which heads are matched anew

MATCH_COLUMNS = [
    *("reference_layer", "reference_head", *HEAD, "identity", "identity_ci_low"),
    *("identity_ci_high", "second", "share", "mutual", "n_items", "n_clusters"),
]


class Profiles(NamedTuple):
    """Sums over clusters of what makes the profile of every head [clusters, heads, features]."""

    heads: pd.DataFrame  # `HEAD`, a row per head
    features: list[str]  # effect, then roles of query tokens
    numerator: np.ndarray
    denominator: np.ndarray

    def means(self, weights: Float[np.ndarray, " clusters"]) -> np.ndarray:
        """Profiles [heads, features]; 0 where no item has a feature."""
        below = np.einsum("chf,c->hf", self.denominator, weights)
        above = np.einsum("chf,c->hf", self.numerator, weights)
        means: np.ndarray = np.divide(above, below, out=np.zeros_like(above), where=below != 0)
        return means

    def of_features(self, names: list[str]) -> Profiles:
        at = [self.features.index(name) for name in names]
        return Profiles(self.heads, names, self.numerator[..., at], self.denominator[..., at])


def common(run: Run, other: Run) -> tuple[Run, Run]:
    """Both over the items that both have, with the clusters of the other.

    Raises:
        InputError: they have no item in common.
    """
    cluster = other.segments.set_index(other.segments["item_id"].astype(object))["cluster_id"]
    kept = run.segments[run.segments["item_id"].isin(cluster.index)].reset_index(drop=True)
    if kept.empty:
        raise InputError("the two models can read no item in common: they cannot be compared")
    of_items = cluster.astype(object).loc[kept["item_id"].astype(object)]
    same = other.segments[other.segments["item_id"].isin(kept["item_id"])].reset_index(drop=True)
    kept = kept.assign(cluster_id=of_items.to_numpy())
    return run._replace(segments=kept), other._replace(segments=same)


def head_matches(run: Run, reference: Run, sweep: str, options: Options) -> pd.DataFrame:
    """For every head of a reference model the head of another whose function is most alike.

    A head's *profile* is its restoration (ratio of means) beside its mean attention to the negator
    minus that to its counterpart, from each query role (`groups.attention_map`): all are shares, so
    a head counts by what it does and by what it looks at.  Alike are two profiles by
    `coefficient_of_identity`.

    Args:
        sweep: of site head.

    Returns:
        `MATCH_COLUMNS`, a row per head of the reference; empty where the mean d of one of the two
        may be 0.  layer and head: the match; identity with percentiles over resampled clusters, the
        match kept; second: that of the next head; share of resamples with the same match; mutual:
        whether the reference's head is the match's own.

    Raises:
        InputError: the two have no item in common.
    """
    run, reference = common(run, reference)
    if not all(has_share(one.segments, options) for one in (run, reference)):
        return pd.DataFrame(columns=MATCH_COLUMNS)
    clusters = np.unique(reference.segments["cluster_id"].astype(str))
    both = [profiles(one, sweep, clusters) for one in (reference, run)]
    features = [name for name in both[0].features if name in both[1].features]
    theirs, ours = (one.of_features(features) for one in both)

    def alike(weights: np.ndarray) -> np.ndarray:
        return coefficient_of_identity(theirs.means(weights), ours.means(weights))

    found = alike(np.ones(len(clusters)))
    row, best = np.arange(len(found)), found.argmax(axis=1)
    ordered = np.sort(found, axis=1)
    replicates = min(options.replicates, MATCHED)
    drawn = [alike(weights) for weights in resamples(len(clusters), replicates, options.seed)]
    tails = [(1 - options.level) / 2, (1 + options.level) / 2]
    low, high = np.quantile([one[row, best] for one in drawn], tails, axis=0)
    table = theirs.heads.rename(columns={name: f"reference_{name}" for name in HEAD})
    return table.assign(
        **{name: ours.heads[name].to_numpy()[best] for name in HEAD},
        identity=found[row, best],
        identity_ci_low=low,
        identity_ci_high=high,
        second=ordered[:, -2] if ordered.shape[1] > 1 else np.nan,
        share=np.mean([one.argmax(axis=1) == best for one in drawn], axis=0),
        mutual=found.argmax(axis=0)[best] == row,
        n_items=len(run.segments),
        n_clusters=len(clusters),
    )[MATCH_COLUMNS]


def coefficient_of_identity(
    first: Float[np.ndarray, "a features"], second: Float[np.ndarray, "b features"]
) -> Float[np.ndarray, "a b"]:
    """2 sum xy / (sum x**2 + sum y**2) of every row with every row (Zegers & ten Berge 1985).

    1 only of equal profiles, -1 of opposite ones; unlike a correlation or a cosine it falls where
    one is larger than the other.  0 between two that are all 0: such heads do nothing alike.
    """
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1)
    above = 2 * first @ second.T
    found: np.ndarray = np.divide(above, squares, out=np.zeros_like(above), where=squares > 0)
    return found


def profiles(run: Run, sweep: str, clusters: np.ndarray) -> Profiles:
    """Profiles of a model's heads as sums over the given clusters (sorted, as text)."""
    assert run.attention is not None
    sums = cluster_sums(item_values(run.sweeps[sweep], run.scores, run.segments))
    heads = sums.cells[HEAD].astype(int)
    of_pair = run.segments.groupby(run.segments["pair_id"].astype(str)).agg(
        items=("item_id", "size"), cluster=("cluster_id", "first")
    )
    looked = attention_by_role(run.attention)
    looked = looked[looked["pair_id"].isin(of_pair.index)].dropna(subset=["difference"])
    roles = sorted(set(looked["role"].astype(str)))
    shape = (len(clusters), len(heads), 1 + len(roles))
    above, below = np.zeros(shape), np.zeros(shape)
    at = np.searchsorted(clusters, sums.clusters.astype(str))
    above[at, :, 0], below[at, :, 0] = sums.change, sums.d
    of = of_pair.loc[looked["pair_id"].astype(str).to_list()]
    place = (
        np.searchsorted(clusters, of["cluster"].to_numpy(str)),
        pd.MultiIndex.from_frame(heads).get_indexer(pd.MultiIndex.from_frame(looked[HEAD])),
        1 + np.searchsorted(roles, looked["role"].to_numpy(str)),
    )
    items = of["items"].to_numpy(float)
    np.add.at(above, place, items * looked["difference"].to_numpy(float))
    np.add.at(below, place, items)
    return Profiles(heads, ["effect", *roles], above, below)


def base_difference(run: Run, base: Run, sweep: str, options: Options) -> pd.DataFrame:
    """Ratio of means of a fine-tuned model minus that of its base, in every cell that both have.

    Every cluster counts with its influence on the difference (Davison & Hinkley 1997, 2.7)::

        z = (change - r d) / sum(d)  -  the same of the base  +  (r - r_base) / clusters

    z sums to r - r_base.  Intervals and tests are those of `effect_sizes`, with z for the change.

    Returns:
        columns `CELL`, known, ratio, ratio_base, difference with its limits, p, p_fwer and q_fdr
        over the map (null where known; with the difference where a ratio has no bounded interval),
        n_items, n_clusters.

    Raises:
        InputError: the two have no item in common, or differ in blocks or heads.
    """
    run, base = common(run, base)
    new, old = _of_same_cells(
        *(
            cluster_sums(item_values(one.sweeps[sweep], one.scores, one.segments))
            for one in (run, base)
        )
    )
    there = (new.n > 0) & (old.n > 0)
    clusters = there.sum(0)
    ratios: dict[str, np.ndarray] = {}
    z, rounding = np.zeros(there.shape), np.zeros(there.shape[1])
    for name, sums, sign in (("ratio", new, 1), ("ratio_base", old, -1)):
        change, d = sums.change * there, sums.d * there
        ratios |= with_limits({name: (change, d)}, there, options)
        with np.errstate(divide="ignore", invalid="ignore"):
            z += sign * (change - ratios[name] * d) / d.sum(0)
            rounding = np.maximum(rounding, ROUNDING / np.abs(d.sum(0)))
    z = np.where(there, z + (ratios["ratio"] - ratios["ratio_base"]) / clusters, 0.0)
    sure = ~np.isnan([ratios["ratio_ci_low"], ratios["ratio_base_ci_low"]]).any(axis=0)
    differences = with_limits({"difference": (z, there / clusters)}, there, options)
    known = new.by_definition | old.by_definition
    tested = sure & ~known
    tests = np.full((len(TESTS), len(z.T)), np.nan)
    if tested.any():
        tests[:, tested] = sign_flip_tests(
            z[:, tested], options.flips, options.seed, float(rounding[tested].max())
        )
    return new.cells.assign(
        known=known,
        ratio=ratios["ratio"],
        ratio_base=ratios["ratio_base"],
        **{name: np.where(sure, values, np.nan) for name, values in differences.items()},
        **dict(zip(TESTS, tests, strict=True)),
        n_items=len(run.segments),
        n_clusters=clusters,
    )


def _of_same_cells(new: ClusterSums, old: ClusterSums) -> tuple[ClusterSums, ClusterSums]:
    """Both with the clusters and cells that both have, in one order."""
    if not new.cells[HEAD].max().equals(old.cells[HEAD].max()):
        raise InputError(
            "the two models differ in blocks or heads: only models of one shape are compared cell"
            " by cell"
        )
    clusters = np.intersect1d(new.clusters, old.clusters)
    new, old = (one.of_clusters(np.isin(one.clusters, clusters)) for one in (new, old))
    keys = [
        pd.Index([tuple(map(str, cell)) for cell in one.cells[CELL].to_numpy()])
        for one in (new, old)
    ]
    kept = keys[0][keys[0].isin(keys[1])]
    return new.of_cells(keys[0].get_indexer(kept)), old.of_cells(keys[1].get_indexer(kept))
