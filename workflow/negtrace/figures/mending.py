"""Figure of mending: strengths that were tried on one half, and what the chosen do on the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from negtrace.figures.registry import draws
from negtrace.figures.style import BAR_COLOUR, SEGMENT_COLOURS, figure_width, new_figure, styled
from negtrace.vocabulary import ALL

EDITS = {"heads": "found heads scaled", "direction": "negation direction added"}
COLOURS = {"heads": BAR_COLOUR, "direction": SEGMENT_COLOURS["incorrect"]}
DRAWN_COLOUR = "0.55"
HEIGHT = 5.6  # inches

MEASURES = {
    "accuracy": "accuracy",
    "affirmative_accuracy": "accuracy, affirmative",
    "image_to_text_1": "image to text, first",
    "image_to_text_5": "image to text, first 5",
    "text_to_image_1": "text to image, first",
    "text_to_image_5": "text to image, first 5",
    "mean_d": "mean d",
    "affirmative_mean_d": "mean d, affirmative",
}
NEGATIONS = {"caption": ", negation in caption", "foil": ", negation in foil", ALL: ""}


@draws("mending")
@styled
def mending_figure(grid: pd.DataFrame, table: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Above: mean d by strength; below: differences with intervals.

    Args:
        grid, table: tables ``mending_grid`` and ``mending``.
        settings: the configuration's ``figures``.
    """
    figure, axes = new_figure(figure_width(settings), HEIGHT, 2, 2, height_ratios=[1, 1.5])
    for axis, edit in zip(axes[0], EDITS, strict=True):
        _tried(axis, grid[grid["edit"] == edit], edit)
        axis.set_ylabel("mean d, half for choosing")
    axes[0, 0].set_xlabel("factor")
    axes[0, 1].set_xlabel("amount, in mean differences")
    shares = ~table["measure"].astype(str).str.endswith("mean_d")
    _differences(axes[1, 0], table[shares], "difference, share of items")
    _differences(axes[1, 1], table[~shares], "difference, logits")
    n = int(table["n_items"].max())
    figure.suptitle(f"Edited model against the model as it is: {n} items of the other half")
    figure.set_layout_engine("constrained")
    handles, labels = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _tried(axis: Axes, grid: pd.DataFrame, edit: str) -> None:
    """Mean d by strength, a line for the heads or for each hidden state; the chosen one ringed."""
    unedited = grid[grid["what"] == ""].iloc[0]
    axis.axhline(unedited["mean_d"], color="0.7", linewidth=0.8, linestyle=":")
    for number, (what, line) in enumerate(grid[grid["what"] != ""].groupby("what", sort=False)):
        line = pd.concat([line, unedited.to_frame().T]).sort_values("strength")
        axis.plot(
            line["strength"].astype(float),
            line["mean_d"].astype(float),
            marker=".",
            linewidth=0.9,
            color=COLOURS[edit],
            alpha=1 / (1 + 0.25 * number),
            label=str(what),
        )
    best = grid[grid["chosen"]].iloc[0]
    axis.plot(best["strength"], best["mean_d"], "o", ms=8, mfc="none", mec="black")
    named = f"hidden state {best['what']}" if edit == "direction" else best["what"]
    what = "no edit" if best["what"] == "" else f"{named}, {best['strength']:g}"
    axis.set_title(f"{EDITS[edit]}\nchosen: {what}")


def _differences(axis: Axes, table: pd.DataFrame, label: str) -> None:
    """A row per measure: each edit's difference with its interval, random edits beside it."""
    rows = [
        (measure, negation)
        for measure in MEASURES
        for negation in NEGATIONS
        if ((table["measure"] == measure) & (table["negation"] == negation)).any()
    ]
    place = {row: -number for number, row in enumerate(rows)}
    axis.axvline(0, color="0.7", linewidth=0.8)
    for shift, (edit, name) in zip((0.16, -0.16), EDITS.items(), strict=True):
        own = table[table["edit"] == edit]
        y = np.array([place[str(m), str(n)] for m, n in own[["measure", "negation"]].to_numpy()])
        difference = own["difference"].to_numpy(float)
        ends = own[["difference_ci_low", "difference_ci_high"]].to_numpy(float)
        spans = np.abs(np.nan_to_num(ends - difference[:, None])).T
        axis.errorbar(
            difference, y + shift, xerr=spans, fmt="o", ms=3, color=COLOURS[edit], label=name
        )
        drawn = (own["drawn_mean"] - own["before"]).to_numpy(float)
        axis.plot(drawn, y + shift, "|", ms=7, color=DRAWN_COLOUR)
    axis.plot([], [], "|", ms=7, color=DRAWN_COLOUR, label="mean of random edits")
    names = [MEASURES[measure] + NEGATIONS[negation] for measure, negation in rows]
    axis.set_yticks(list(place.values()), names)
    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.set_xlabel(label)
