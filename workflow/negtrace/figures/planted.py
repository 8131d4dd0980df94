"""Figure of the positive control: the circuit that was planted, beside the maps that found it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from negtrace.analyses.planted import Plant, expected
from negtrace.errors import InputError
from negtrace.figures.heat_maps import MOST_ANNOTATED_CELLS, PALETTE, numbers
from negtrace.figures.shown import available_segment, segment_label
from negtrace.figures.style import CM_PER_INCH, ROLE_COLOURS, WIDTH_CM, styled
from negtrace.vocabulary import ALL, THERE_ROLES

HEIGHT = 2.9  # inches
WORDS = dict(zip(THERE_ROLES, ("", "There", "are", "no", "red", "stars", ".", ""), strict=True))
IDLE_COLOUR = "0.8"


@styled
def planted_figure(
    plant: Plant, resid: pd.DataFrame, head: pd.DataFrame, settings: Mapping[str, Any]
) -> Figure:
    """Left the planted circuit; then restoration by hidden state and by head, as negtrace finds it.

    The circuit and the first map have the same rows and columns.  Frames mark the cells that
    should have a restoration of 1 (see `planted.expected`); all others should have 0.

    Args:
        plant: what was planted.
        resid, head: ``restoration_map`` of the planted model for sentences "There is/are ...".
        settings: the configuration's ``figures``.

    Raises:
        InputError: a map has cells that the planted model does not have.
    """
    figure = Figure(figsize=(settings.get("width_cm", WIDTH_CM) / CM_PER_INCH, HEIGHT))
    states = plant.layers + 1
    circuit, tokens, heads = figure.subplots(1, 3, width_ratios=[states, states, plant.layers])
    _draw_circuit(circuit, plant)
    wanted = settings.get("segment", "correct")
    cells = expected(plant)
    lowest = [
        _draw_map(axis, table, cells[cells["site"] == site], rows, settings)
        for axis, table, site, rows in (
            (tokens, resid, "resid", "role"),
            (heads, head, "head", "head"),
        )
    ]
    circuit.set(title="planted", xlabel="hidden state")
    tokens.set(title="found: hidden states", xlabel="hidden state", ylabel="", yticks=[])
    heads.set(title="found: heads", xlabel="block", ylabel="head")
    figure.suptitle(f"A planted circuit and what patching finds: {segment_label(resid, wanted)}")
    figure.set_layout_engine("constrained")
    bar = figure.colorbar(heads.collections[0], ax=heads, label="mean restoration", aspect=20)
    bar.outline.set_visible(False)
    bar.ax.set_ylim(min(0.0, *lowest), 1)
    return figure


def _draw_circuit(axis: Axes, plant: Plant) -> None:
    """Tokens as rows, hidden states as columns, and the way of the flag through them."""
    rows = {role: number + 0.5 for number, role in enumerate(THERE_ROLES)}
    states = np.arange(plant.layers + 1) + 0.5
    for y in rows.values():
        axis.plot(states, np.full_like(states, y), color=IDLE_COLOUR, linewidth=0.8, zorder=1)
    l1, l2 = plant.first[0], plant.second[0]
    route = (("determiner", 0, l1 - 1), (plant.carrier, l1, l2 - 1), ("EOT", l2, plant.layers))
    for role, start, end in route:
        held = states[start : end + 1]
        colour = ROLE_COLOURS[role]
        axis.plot(held, np.full_like(held, rows[role]), "o-", color=colour, linewidth=3, zorder=2)
    for (source, _, left), (target, entered, _), (block, head) in zip(
        route, route[1:], (plant.first, plant.second), strict=False
    ):
        tail, tip = (states[left], rows[source]), (states[entered], rows[target])
        arrow = {"arrowstyle": "-|>", "color": "black", "shrinkA": 4, "shrinkB": 4}
        axis.annotate("", tip, tail, arrowprops=arrow, zorder=3)
        beside = entered <= plant.layers / 2  # on the right of the arrow, where there is room
        axis.text(
            tip[0] + 0.2 if beside else tail[0] - 0.2,
            (tail[1] + tip[1]) / 2,
            f"head {head} of block {block}",
            ha="left" if beside else "right",
            va="center",
            fontsize=6.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            zorder=2,
        )
    axis.set(xlim=(0, len(states)), ylim=(len(THERE_ROLES), 0))
    axis.set_xticks(states, [str(state) for state in range(len(states))])
    labels = [f"{role}  “{WORDS[role]}”" if WORDS[role] else role for role in THERE_ROLES]
    axis.set_yticks(list(rows.values()), labels)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _draw_map(
    axis: Axes, table: pd.DataFrame, cells: pd.DataFrame, rows: str, settings: Mapping[str, Any]
) -> float:
    """Heat map of a site's means, the planted cells framed; returns the lowest mean.

    Args:
        cells: the site's rows of `planted.expected`.
        rows: the column that becomes rows.
    """
    segment = available_segment(table, settings.get("segment", "correct"))
    shown = table[(table["negation"] == ALL) & (table["segment"] == segment)]
    order = list(dict.fromkeys(cells[rows]))
    planted = cells.pivot(index=rows, columns="layer", values="restoration").loc[order]
    means = shown.astype({rows: object}).pivot(index=rows, columns="layer", values="mean")
    foreign = [*means.index.difference(planted.index), *means.columns.difference(planted.columns)]
    if foreign:
        raise InputError(f"the map has a {rows} or layer {foreign[0]!r}, but the plant has not")
    means = means.reindex(index=planted.index, columns=planted.columns).astype(float)
    annotate = settings.get("annotate", True) and means.size <= MOST_ANNOTATED_CELLS
    sns.heatmap(
        means,
        ax=axis,
        cmap=settings.get("palette", PALETTE),
        vmin=-1,
        vmax=1,
        annot=numbers(means) if annotate else None,
        fmt="",
        annot_kws={"size": min(6.5, 38 / means.shape[1])},
        linewidths=0.3,
        cbar=False,
    )
    for row, column in np.argwhere(planted.to_numpy() == 1):
        axis.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor="black", linewidth=1.2))
    axis.tick_params(length=0, rotation=0)
    return float(np.nanmin(means))
