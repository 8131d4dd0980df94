"""Figures of attention to the negator: how selective each head is, and from which tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from negtrace.errors import InputError
from negtrace.figures.heat_maps import heat_maps, paired_grids
from negtrace.figures.maps import head_map, wanted_segment
from negtrace.figures.registry import draws
from negtrace.figures.style import note, styled, titled
from negtrace.vocabulary import ALL

NO_COUNTERPART = (
    "attention cannot be compared: what differs has no counterpart in the other sentence"
)


def selectivity_map(
    table: pd.DataFrame, settings: Mapping[str, Any], segment: str | None = None
) -> Figure:
    """Heads x blocks: negator selectivity, with the means of blocks below.

    Args:
        table: ``selectivity_map``.
        settings: the configuration's ``figures``.
        segment: which items (default: the settings', else correct); all if it is empty.
    """
    return head_map(table, settings, "selectivity", segment)


@draws("selectivity")
def _selectivity(table: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    return note(NO_COUNTERPART) if table.empty else selectivity_map(table, settings)


@draws("attention_by_role")
@styled
def attention_by_role(
    table: pd.DataFrame,
    selectivity: pd.DataFrame,
    settings: Mapping[str, Any],
    segment: str | None = None,
) -> Figure:
    """Heads x query roles of one block: attention to the negator minus to its counterpart.

    Args:
        table: ``attention_map``.
        selectivity: ``selectivity_map``, to choose the block if the settings leave it open.
        settings: the configuration's ``figures``.
        segment: which items (default: the settings', else correct); all if it is empty.

    Raises:
        InputError: the model has no such block.
    """
    if table.empty or selectivity.empty:
        return note(NO_COUNTERPART)
    block = attention_layer(settings, selectivity)
    blocks = sorted(set(table["layer"]))
    if block not in blocks:
        raise InputError(
            f"figures.attention_layer is {block}, but the blocks are {blocks[0]} to {blocks[-1]}: "
            "choose one of them, or auto"
        )
    panels = paired_grids(
        table[table["layer"] == block], wanted_segment(settings, segment), "head", "role"
    )
    limit = min(1.0, panels.largest)
    figure, axes = heat_maps(panels, settings, limit, "difference of attention", below=False)
    titled(figure, f"Attention to the negator by query token, block {block}", panels.label)
    axes[0, 0].set_ylabel("head")
    for axis in axes[0]:
        axis.set_xlabel("query token")
        axis.set_xticks(axis.get_xticks(), axis.get_xticklabels(), rotation=40, ha="right")
    return figure


def attention_layer(settings: Mapping[str, Any], selectivity: pd.DataFrame) -> int:
    """The configured block, or that of the most selective head."""
    configured = settings.get("attention_layer", "auto")
    return most_selective_layer(selectivity) if configured == "auto" else int(configured)


def most_selective_layer(selectivity: pd.DataFrame) -> int:
    """Block of the head with the highest mean selectivity over all items."""
    overall = selectivity[(selectivity["negation"] == ALL) & (selectivity["segment"] == ALL)]
    highest: Any = overall["mean"].idxmax()
    return int(overall["layer"][highest])
