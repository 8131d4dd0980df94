"""Figures of the confirmation: direct and total effects, ablated sets, and curves over their size.

Items with the negation in the foil are on the left and in the caption on the right, except in
`ablated_against_random`, whose panels are the two ways of drawing sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from negtrace.analyses.confirmation import MEASURES, NULLS, RANKINGS, unablated
from negtrace.errors import InputError
from negtrace.figures.maps import wanted_segment
from negtrace.figures.registry import draws
from negtrace.figures.shown import available_segment, segment_label, sides
from negtrace.figures.style import (
    BAR_COLOUR,
    SEGMENT_COLOURS,
    figure_width,
    new_figure,
    note,
    styled,
    titled,
)
from negtrace.vocabulary import ALL

FOUND_COLOUR = SEGMENT_COLOURS["incorrect"]
DRAWN_COLOUR = "0.7"
RANKING_STYLES = {"signed": (BAR_COLOUR, "o", "-"), "absolute": ("#009E73", "s", "--")}
LABELLED_HEADS = 4
PANEL_HEIGHT = 2.6  # inches
BINS = 25
QUANTITY_LABELS = {
    "accuracy": "accuracy",
    "mean_d": "mean d",
    "faithfulness": "faithfulness\n(first k heads intact)",
    "completeness": "completeness\n(first k heads ablated)",
}
NULL_LABELS = {"random": "any heads", "layer_matched": "heads of the same blocks"}


@draws("direct_and_total")
@styled
def direct_against_total(
    contributions: pd.DataFrame,
    restoration: pd.DataFrame,
    settings: Mapping[str, Any],
    segment: str | None = None,
) -> Figure:
    """A point per head: its direct share of the mean d against its mean restoration.

    Heads on the dashed line write their whole effect into the embedding themselves; those above it
    act through later blocks.  The heads furthest from 0 are labelled block.head.

    Args:
        contributions: ``contribution_map``; heads split by role are added up.
        restoration: ``restoration_map`` of site head, in one direction.
        settings: the configuration's ``figures``.
        segment: which items (default: the settings', else correct); all if it is empty.

    Raises:
        InputError: the two maps have no heads in common.
    """
    wanted = wanted_segment(settings, segment)
    heads = direct_and_total(contributions, restoration, available_segment(restoration, wanted))
    negations = sides(heads)
    figure, axes = new_figure(
        figure_width(settings), PANEL_HEIGHT + 0.6, 1, len(negations), sharex=True, sharey=True
    )
    for axis, negation in zip(axes[0], negations, strict=True):
        shown = heads[heads["negation"] == negation]
        for line in (axis.axhline, axis.axvline):
            line(0, color="0.8", linewidth=0.6, zorder=0)
        equal = axis.axline((0, 0), slope=1, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
        axis.margins(0.1)
        axis.xaxis.get_major_locator().set_params(nbins=6)
        axis.scatter(shown["direct"], shown["total"], s=14, color=BAR_COLOUR, linewidth=0)
        _label_largest(axis, shown)
        count = int(shown["n_items"].max()) if len(shown) else 0
        axis.set(title=f"negation in {negation} ({count} items)", xlabel="direct share of mean d")
    axes[0, 0].set_ylabel("mean restoration (total effect)")
    titled(figure, "Direct and total effect of each head", segment_label(restoration, wanted))
    figure.set_layout_engine("constrained")
    figure.legend([equal], ["direct = total"], loc="outside lower center", frameon=False)
    return figure


def direct_and_total(
    contributions: pd.DataFrame, restoration: pd.DataFrame, segment: str
) -> pd.DataFrame:
    """negation, layer, head, direct (share of mean d), total (mean restoration), n_items."""
    keys = ["negation", "layer", "head"]
    of_heads = contributions[
        (contributions["component"] == "head") & (contributions["segment"] == segment)
    ]
    direct = of_heads.astype({"negation": str}).groupby(keys)["share"].sum().rename("direct")
    total = restoration[restoration["segment"] == segment].astype({"negation": str})
    total = total.rename(columns={"mean": "total"})[[*keys, "total", "n_items"]]
    both = total.merge(direct.reset_index(), on=keys)
    if both.empty:
        raise InputError(
            "the maps of contributions and of restoration have no head in common; make both from"
            " the same model, items and site head"
        )
    return both


def _label_largest(axis: Axes, heads: pd.DataFrame) -> None:
    """Write block.head over the points furthest from 0."""
    distance = pd.Series(np.hypot(heads["direct"], heads["total"]), heads.index)
    for row in heads.loc[distance.nlargest(LABELLED_HEADS).index].itertuples():
        axis.annotate(
            f"{row.layer}.{row.head}",
            (row.direct, row.total),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )


@draws("ablation")
@styled
def ablated_against_random(
    means: pd.DataFrame, confirmation: pd.DataFrame, settings: Mapping[str, Any]
) -> Figure:
    """Accuracy and mean d with random sets of heads ablated, and with the found set ablated.

    Args:
        means: ``set_means``.
        confirmation: ``confirmation`` made from it.
        settings: the configuration's ``figures``.
    """
    of_all = means[means["negation"] == ALL]
    results = confirmation[confirmation["negation"] == ALL].set_index(["null", "measure"])
    full, found = unablated(of_all), of_all[of_all["purpose"] == "found"].iloc[0]
    figure, axes = new_figure(figure_width(settings), 2 * PANEL_HEIGHT, len(MEASURES), sharex="row")
    for column, null in enumerate(NULLS):
        drawn = of_all[of_all["purpose"] == null]
        for axis, measure in zip(axes[:, column], MEASURES, strict=True):
            everything = of_all.loc[of_all["purpose"].isin((*NULLS, "found")), measure]
            edges = np.histogram_bin_edges([*everything, full[measure]], bins=BINS)
            axis.hist(drawn[measure], bins=edges, color=DRAWN_COLOUR, label="random sets")
            axis.axvline(found[measure], color=FOUND_COLOUR, linewidth=1.6, label="found set")
            axis.axvline(
                full[measure],
                color="black",
                linewidth=0.9,
                linestyle="--",
                label="nothing ablated",
            )
            p = results["p"][null, measure]
            axis.set_xlabel(f"{QUANTITY_LABELS[measure]} (p = {p:.2g})")
            axis.yaxis.get_major_locator().set_params(integer=True)
        axes[0, column].set_title(f"{NULL_LABELS[null]} (random sets: {len(drawn)})")
    for axis in axes[:, 0]:
        axis.set_ylabel("random sets")
    which = found["heads"] if found["k"] <= LABELLED_HEADS else f"{found['k']} heads"
    figure.suptitle(
        f"Ablation of the found set ({which}) in {found['n_items']} items it was not found on"
    )
    figure.set_layout_engine("constrained")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


@draws("faithfulness")
@styled
def faithfulness_curves(curves: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Faithfulness and completeness over the number of heads k, a line for each ranking.

    Args:
        curves: table of that name.
        settings: the configuration's ``figures``.
    """
    quantities = ("faithfulness", "completeness")
    if curves["faithfulness"].isna().all():
        return note("ablating all heads does not change the mean d: there is nothing to share out")
    negations = sides(curves)
    figure, axes = new_figure(
        figure_width(settings), 2 * PANEL_HEIGHT, 2, len(negations), sharex=True, sharey="row"
    )
    sizes = sorted(set(curves["k"]))
    for column, negation in enumerate(negations):
        shown = curves[curves["negation"] == negation]
        for axis, quantity in zip(axes[:, column], quantities, strict=True):
            for height in (0, 1):
                axis.axhline(height, color="0.8", linewidth=0.6, zorder=0)
            for ranking in RANKINGS:
                line = shown[shown["ranking"] == ranking]
                colour, marker, style = RANKING_STYLES[ranking]
                axis.plot(
                    line["k"],
                    line[quantity],
                    color=colour,
                    marker=marker,
                    linestyle=style,
                    markersize=3.5,
                    linewidth=1.2,
                    label=f"{ranking} ranking",
                )
            axis.set_xscale("symlog", base=2, linthresh=1)
            axis.set_xticks(sizes)
            axis.xaxis.set_major_formatter(FuncFormatter(lambda k, _: f"{k:g}"))
            axis.minorticks_off()
        count = int(shown["n_items"].max()) if len(shown) else 0
        axes[0, column].set_title(f"negation in {negation} ({count} items)")
        axes[1, column].set_xlabel("k, number of heads")
    for axis, quantity in zip(axes[:, 0], quantities, strict=True):
        axis.set_ylabel(QUANTITY_LABELS[quantity])
    figure.suptitle("How much of the effect of all heads the first k carry")
    figure.set_layout_engine("constrained")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure
