"""Circuits: do the heads at the ends of the strong edges carry the negation by themselves?

The circuit is of nodes: every head that sends or receives by an edge that is significant, exceeds
its placebo and is worth at least some share of d, on one half of the clusters.  On the other
(Wang et al. 2022, arXiv 2211.00593; formulas as in `confirmation.py`, means in place of what is
ablated)

    faithfulness = (d[all other heads ablated] - d[all ablated]) / (d - d[all ablated])
    completeness = (d[the circuit ablated] - d[all ablated]) / (d - d[all ablated])

beside random sets of as many heads, and the minimality of each head (`minimality.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from negtrace.analyses.ablation import ablated_on
from negtrace.analyses.confirmation import ROUNDING
from negtrace.analyses.head_sets import HeadSet, every_head, other_sets, split_items
from negtrace.analyses.minimality import COLUMNS as MINIMALITY
from negtrace.analyses.minimality import minimality, minimality_sets
from negtrace.models.tower import TextTower
from negtrace.progress import silent
from negtrace.statistics.clusters import FEWEST_CLUSTERS
from negtrace.statistics.edge_map import edge_map
from negtrace.statistics.effect_sizes import DEFAULTS, Options, interval_of
from negtrace.statistics.kept_edges import kept_edges
from negtrace.statistics.map_values import SUPPORT

COLUMNS = [
    *("measure", "k", "heads", "found", "found_ci_low", "found_ci_high"),
    *("drawn_mean", "drawn_sd", "p", "n_sets", *SUPPORT),
]


def circuit_heads(edges: pd.DataFrame) -> HeadSet:
    """The heads at either end of some edges, as (block, head)."""
    names = {*edges["sender"].astype(str), *edges["receiver"].astype(str)}
    parts = [name.split(".") for name in names if name[0].isdigit()]
    return tuple(sorted({(int(block), int(head)) for block, head, *_ in parts}))


def measured_circuit(
    tower: TextTower,
    tables: Mapping[str, pd.DataFrame],
    direction: str,
    least: float,
    draws: int,
    options: Options = DEFAULTS,
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the circuit on one half of the pairs and test it on the other.

    Args:
        tables: alignment, candidates, images, scores, segments, and ``edges``.
        direction: of the edges that make up the circuit.
        least: share of d that an edge has to be worth.
        draws: random sets of heads at most.

    Returns:
        `COLUMNS` of faithfulness and completeness, with p one-sided: (1 + random sets that are as
        faithful, or as complete, as the circuit) / (1 + n_sets); and `minimality.minimality` of its
        heads.  Both are empty where there is no circuit.
    """
    chosen, tested = split_items(tables["segments"], options.seed)
    edges = tables["edges"]
    edges = edges[(edges["direction"] == direction) & edges["item_id"].isin(chosen["item_id"])]
    circuit = circuit_heads(kept_edges(edge_map(edges, tables["scores"], chosen, least, options)))
    if not circuit:
        return pd.DataFrame(columns=COLUMNS), pd.DataFrame(columns=MINIMALITY)
    heads = every_head(tower.shape)
    rng = np.random.default_rng(options.seed)
    others = other_sets(circuit, tower.shape, draws, rng, matched=False)
    removed = [circuit, *others]
    kept = [tuple(head for head in heads if head not in one) for one in removed]
    needed = minimality_sets(circuit)
    sets = [*needed, heads, *removed, *kept]
    ablated = ablated_on(tested, tower, tables, sets, memory_gb, progress)
    counts = {"completeness": len(removed), "faithfulness": len(kept)}
    table = shares(ablated, len(needed), counts, options)
    names = " ".join(f"{block}.{head}" for block, head in circuit)
    of_each = minimality(ablated[ablated["set"] < len(needed)], circuit, options)
    return table.assign(k=len(circuit), heads=names)[COLUMNS], of_each


def shares(
    ablated: pd.DataFrame, empty: int, sets: Mapping[str, int], options: Options = DEFAULTS
) -> pd.DataFrame:
    """Faithfulness and completeness of the first set of each kind, beside the others.

    Args:
        ablated: `ablation.ablated_scores` with cluster_id; set 0 ablates nothing.
        empty: the set that ablates all heads; those of each measure follow it.
        sets: how many sets each measure has, in their order.
    """
    d = ablated.pivot(index="item_id", columns="set", values="d")
    items = ablated.drop_duplicates("item_id").set_index("item_id")
    by_cluster = d.groupby(items["cluster_id"].astype(object)).sum()
    span = by_cluster[0] - by_cluster[empty]
    rows, start = [], empty + 1
    for measure, count in sets.items():
        above = by_cluster.loc[:, start : start + count - 1].sub(by_cluster[empty], axis=0)
        start += count
        first = above.iloc[:, :1].to_numpy()
        low = high = share = np.nan
        drawn = np.full(count - 1, np.nan)
        p = np.nan
        if abs(span.sum()) > ROUNDING * len(d):
            shares = (above.sum() / span.sum()).to_numpy()
            share, drawn = float(shares[0]), shares[1:]
            sign = 1 if measure == "faithfulness" else -1
            as_good = sum(sign * (one - share) >= -ROUNDING for one in drawn)
            p = (1 + as_good) / (1 + len(drawn))
            if len(span) >= FEWEST_CLUSTERS:
                limits = interval_of(len(span), options)(first, span.to_numpy()[:, None])
                low, high = (float(limit[0]) for limit in limits)
        rows.append(
            {
                "measure": measure,
                "found": share,
                "found_ci_low": low,
                "found_ci_high": high,
                "drawn_mean": np.mean(drawn) if len(drawn) else np.nan,
                "drawn_sd": np.std(drawn, ddof=1) if len(drawn) > 1 else np.nan,
                "p": p,
                "n_sets": count - 1,
                "n_items": len(d),
                "n_pairs": items["pair_id"].nunique(),
                "n_clusters": len(span),
            }
        )
    return pd.DataFrame(rows)
