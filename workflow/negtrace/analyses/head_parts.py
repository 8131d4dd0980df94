"""Head parts: is a head's effect owed to where it attends, or to what it reads there?

Its attention pattern is patched with the values of the base run, its values with the pattern of the
base run, and its output, which is both; each beside the placebo (`donor_sweeps.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from negtrace.models.tower import TextTower
from negtrace.patching.donor_sweeps import donations, donor_sweep
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import pictured
from negtrace.progress import silent

PARTS = {"both": "head", "attention": "pattern", "values": "v"}  # by site
KEY = ["item_id", "pair_id", "direction", "layer", "head"]
COLUMNS = [*KEY, "part", "s_patched", "restoration", "s_placebo"]


def head_parts(
    tower: TextTower,
    tables: Mapping[str, pd.DataFrame],
    direction: str,
    seed: int,
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> pd.DataFrame:
    """Every item with every head's output, pattern and values patched, at all positions.

    Args:
        tables: alignment, placebo_alignment, candidates, images and scores.
        direction: ``negate`` or ``affirm``.
        seed: of random placebos.
        memory_gb, progress: as in `restoration.sweep`.

    Returns:
        `COLUMNS` of eligible cells; patterns are patched only where the two sentences' tokens stand
        in the same places.  s_placebo is null where there is no placebo.
    """
    items = pictured(tables["candidates"], tables["images"])
    both = (tables["images"], tables["scores"])
    scale = tower.identity["logit_scale"]
    parts = []
    for part, site in PARTS.items():
        found = sweep(
            tower, tables["alignment"], items, *both, site, direction, scale, memory_gb, progress
        )
        alignments = (tables["alignment"], tables["placebo_alignment"])
        given = donations(("placebo",), site, direction, *alignments, items, seed)
        placebo = donor_sweep(
            tower, given, items, *both, site, direction, seed, scale, memory_gb, progress
        )
        plain = dict.fromkeys(KEY[:3], object)
        theirs = placebo.rename(columns={"s_patched": "s_placebo"})[[*KEY, "s_placebo"]]
        own = found[found["eligible"]].assign(part=part).astype(plain)
        parts.append(own.merge(theirs.astype(plain), on=KEY, how="left", validate="1:1"))
    return pd.concat(parts, ignore_index=True)[COLUMNS]
