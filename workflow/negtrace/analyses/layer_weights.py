"""Layer weights: how much of the negation's effect each block's parts carry, for fine-tuning by it.

Restoration by what attention, or the MLP, of a block adds at all tokens at once, over all items: a
fine-tuning that scales the updates of layers by their causal effect (arXiv 2602.12498) can take
them from here, with their intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from negtrace.models.tower import TextTower
from negtrace.patching.interventions import Intervention
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import pictured
from negtrace.progress import silent
from negtrace.statistics.effect_sizes import DEFAULTS, Options, effect_map
from negtrace.statistics.map_values import ENDS, SUPPORT
from negtrace.vocabulary import ALL

COMPONENTS = {"attention": "attn_out", "mlp": "mlp_out"}


def layer_weights(
    tower: TextTower,
    tables: Mapping[str, pd.DataFrame],
    direction: str,
    options: Options = DEFAULTS,
    memory_gb: float = 2.0,
    progress: Callable[..., Any] = silent,
) -> pd.DataFrame:
    """The table ``layer_weights``: a row per block and component.

    Args:
        tables: alignment, candidates, images, scores and segments.
        direction, memory_gb, progress: as in `restoration.sweep`.
    """
    items = pictured(tables["candidates"], tables["images"])
    parts = []
    for component, site in COMPONENTS.items():
        swept = sweep(
            tower,
            tables["alignment"],
            items,
            tables["images"],
            tables["scores"],
            Intervention(site, positions="all"),
            direction,
            tower.identity["logit_scale"],
            memory_gb,
            progress,
        )
        found = effect_map(swept, tables["scores"], tables["segments"], options)
        rows = found[(found["negation"] == ALL) & (found["segment"] == ALL)]
        parts.append(rows.assign(component=component))
    renamed = {f"ratio{end}": f"restoration{end}" for end in ENDS}
    table = pd.concat(parts).rename(columns=renamed)
    columns = ["layer", "component", *renamed.values(), *SUPPORT]
    return table.sort_values(["layer", "component"], ignore_index=True)[columns]
