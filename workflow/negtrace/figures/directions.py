"""Figure of the negation direction: how much of d lies along it, by role and hidden state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from negtrace.figures.registry import draws
from negtrace.figures.style import figure_width, note, styled
from negtrace.vocabulary import ALL, ROLES

PANEL = 2.4  # inches
PANELS_ACROSS = 3
STYLES = {
    "difference": ("#0072B2", "o", "difference of means"),
    "probe": ("#D55E00", "s", "probe"),
}
WHOLE_COLOUR, RANDOM_COLOUR = "0.35", "0.85"


@draws("directions")
@styled
def direction_figure(table: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """A panel per role at which a direction is worth something, a line per direction.

    Args:
        table: ``direction_map``.
        settings: the configuration's ``figures``.
    """
    rows = table[table["negation"] == ALL].astype({"role": str, "method": str})
    there = set(rows.loc[rows["random"].notna(), "role"])
    roles = [role for role in ROLES if role in there]
    if not roles:
        return note("no direction of any hidden state is worth enough of d to be drawn")
    across = min(PANELS_ACROSS, len(roles))
    down = -(-len(roles) // across)
    figure = Figure(figsize=(figure_width(settings), PANEL * down + 0.6))
    panels = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    for axis, role in zip(panels, roles, strict=False):
        of_role = rows[rows["role"] == role].sort_values("layer")
        first = of_role[of_role["method"] == next(iter(STYLES))]
        reach = first["random_highest"].abs()
        layers = first["layer"].to_numpy(float)
        axis.axhline(0, color="0.6", linewidth=0.6, zorder=0)
        axis.fill_between(
            layers,
            -reach,
            reach,
            step="mid",
            color=RANDOM_COLOUR,
            linewidth=0,
            label="random directions, at most",
            zorder=0,
        )
        axis.plot(
            layers,
            first["whole"],
            color=WHOLE_COLOUR,
            linestyle="--",
            linewidth=1,
            marker="_",
            label="whole hidden state",
        )
        for offset, (method, (colour, marker, label)) in enumerate(STYLES.items()):
            line = of_role[of_role["method"] == method]
            error = [
                (line["ratio"] - line["ratio_ci_low"]).clip(lower=0),
                (line["ratio_ci_high"] - line["ratio"]).clip(lower=0),
            ]
            axis.errorbar(
                line["layer"] + 0.12 * (2 * offset - 1),
                line["ratio"],
                error,
                color=colour,
                marker=marker,
                markersize=4,
                linewidth=0.9,
                label=label,
            )
        axis.set(title=role, xlabel="hidden state", xticks=layers)
    for axis in panels[::across]:
        axis.set_ylabel("share of d")
    for axis in panels[len(roles) :]:
        axis.set_axis_off()
    figure.suptitle(f"Share of d along the negation direction ({rows['n_items'].max()} items)")
    figure.set_layout_engine("constrained")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure
