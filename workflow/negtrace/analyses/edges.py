"""Edges of a study: which receivers, and what every edge carries beside its placebo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from negtrace.analyses.head_sets import rank_heads, split_items
from negtrace.models.tower import PARTS, TextTower
from negtrace.patching.donor_sweeps import RANDOM, donations
from negtrace.patching.edge_sweep import EDGE, edge_sweep
from negtrace.patching.edges import READ_OUT, Receiver, Sender
from negtrace.patching.scores import pictured
from negtrace.progress import silent


def chosen_receivers(
    sweep: pd.DataFrame, scores: pd.DataFrame, segments: pd.DataFrame, heads: int, seed: int
) -> list[str]:
    """The heads that change scores most, either way, on one half of the clusters; and the read-out.

    Args:
        sweep: table of that name, of site head in one direction.
        heads: how many.
        seed: of the halves, the same as ablation's.
    """
    half, _ = split_items(segments, seed)
    ranked = rank_heads(sweep, scores, half, "absolute")[:heads]
    parts = ("", *(f".{part}" for part in PARTS))
    return [*(f"{block}.{head}{part}" for block, head in ranked for part in parts), READ_OUT]


def study_edges(
    tower: TextTower,
    tables: Mapping[str, pd.DataFrame],
    receivers: Sequence[Receiver],
    senders: Sequence[Sender] | None,
    directions: Sequence[str],
    seed: int,
    roles: Sequence[str] = (),
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> pd.DataFrame:
    """The table ``edges``: every item with every edge, patched from its source and its placebo.

    Args:
        tables: alignment, placebo_alignment, candidates, images and scores.
        receivers, senders, roles, memory_gb, progress: as in `edge_sweep.edge_sweep`.
        directions: in each of which all edges are swept.
        seed: of random placebos.
    """
    items = pictured(tables["candidates"], tables["images"])
    parts = []
    for direction in directions:

        def swept(alignment: pd.DataFrame, of: pd.DataFrame, **options: Any) -> pd.DataFrame:
            return edge_sweep(
                tower,
                alignment,
                of,
                tables["images"],
                tables["scores"],
                receivers,
                direction,  # noqa: B023  (called within its turn)
                tower.identity["logit_scale"],
                senders=senders,
                roles=roles,
                memory_gb=memory_gb,
                progress=progress,
                **options,
            )

        alignments = (tables["alignment"], tables["placebo_alignment"])
        placebos = []
        for given in donations(("placebo",), "head", direction, *alignments, items, seed):
            theirs = items[items["pair_id"].isin(set(given.alignment["pair_id"]))]
            if theirs.empty:
                continue
            own = given.alignment[given.alignment["pair_id"].isin(set(theirs["pair_id"]))]
            drawn = {"donor": "random", "seed": seed} if given.source == RANDOM else {}
            placebos.append(swept(own, theirs.reset_index(drop=True), **drawn))
        key = ["item_id", *EDGE]
        placebo = pd.concat(placebos, ignore_index=True)[[*key, "s_patched"]]
        placebo = placebo.rename(columns={"s_patched": "s_placebo"})
        plain = dict.fromkeys(key, object)
        found = swept(tables["alignment"], items).astype(plain)
        parts.append(found.merge(placebo.astype(plain), on=key, how="left", validate="1:1"))
    return pd.concat(parts, ignore_index=True)
