"""Figures: tables in, matplotlib figures out.

Each map shows items with the negation in the foil (left) and in the caption (right), as Quantmeyer
et al. (2024) do, on one colour scale.  Figures are made without pyplot, so that nothing in a
notebook's state changes; the same tables give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from negtrace.effects import ALL, SEGMENTS
from negtrace.errors import InputError
from negtrace.findings import NEGATIONS, available_segment, segment_label
from negtrace.layout import SITE_LABELS
from negtrace.store import atomic_path

# Sentence order, and colours that colour-blind readers can tell apart (Okabe and Ito).
ROLE_COLOURS = {
    "SOT": "#4d4d4d",
    "there": "#8c8c8c",
    "be": "#bfbfbf",
    "determiner": "#D55E00",
    "shared_before": "#8c6d46",
    "edit": "#CC79A7",
    "shared_after": "#56B4E9",
    "subject_first": "#E69F00",
    "subject_rest": "#F0E442",
    "full_stop": "#009E73",
    "EOT": "#0072B2",
    "padding": "#bbbbbb",
    "pooled": "#661100",
    ALL: "#000000",
}
ROLE_ORDER = tuple(ROLE_COLOURS)
SEGMENT_COLOURS = {"correct": "#0072B2", "ambiguous": "#999999", "incorrect": "#D55E00"}
BAR_COLOUR = "#0072B2"
HATCH_COLOUR = "0.62"
ALPHA = 0.05

# Effect sizes of a restoration map: the label of its colours, and whether 1 is the whole effect.
EFFECT_LABELS = {
    "ratio": ("restoration", True),
    "mean": ("mean restoration", True),
    "difference": ("change of the score, logits", False),
    "flip_rate": ("share of items that change class", True),
}

PALETTE = "vlag"
WIDTH_CM = 18.0
CM_PER_INCH = 2.54

# More cells than this in one panel are shown without their numbers.
MOST_ANNOTATED_CELLS = 260

# Cells in inches; columns that would get narrower make the figure wider.
CELL_HEIGHT = {True: 0.25, False: 0.16}
LEAST_CELL_WIDTH = {True: 0.22, False: 0.12}
LEAST_TICK_DISTANCE = 0.2
MARGIN = 1.6
BARS_HEIGHT = 1.3

FRAMED_CELLS = 3

# svg.fonttype keeps text as text; svg.hashsalt makes element ids the same in every run.
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "negtrace",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "figure.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.4,
}
METADATA = {"svg": {"Date": None}, "png": {"Software": None}}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw with `STYLE`, whatever the caller's own settings are."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(STYLE)
            return draw(*args, **kwargs)

    return drawn


def save(figure: Figure, stem: Path, formats: Sequence[str], dpi: int) -> None:
    """Write a figure as ``stem.svg`` and/or ``stem.png``, each in one step."""
    for ending in formats:
        with (
            mpl.rc_context(STYLE),
            atomic_path(stem.with_name(f"{stem.name}.{ending}")) as path,
        ):
            figure.savefig(path, format=ending, dpi=dpi, metadata=METADATA[ending])


@styled
def histogram_of_d(
    segments: pd.DataFrame,
    thresholds: Mapping[str, float],
    settings: Mapping[str, Any] | None = None,
) -> Figure:
    """Histogram of d coloured by segment, one panel per negation, with the thresholds.

    Args:
        segments: table ``segments``.
        thresholds: the configuration's ``segments``: ``incorrect_below`` and ``correct_from``.
        settings: the configuration's ``figures``.
    """
    lower, upper = thresholds["incorrect_below"], thresholds["correct_from"]
    figure, axes = new_figure(figure_width(settings or {}), 2.9, 1, sharex=True, sharey=True)
    for axis, negation in zip(axes[0], NEGATIONS, strict=True):
        items = segments[segments["negation"] == negation]
        sns.histplot(
            items.astype({"segment": str}),
            x="d",
            hue="segment",
            hue_order=SEGMENTS,
            palette=SEGMENT_COLOURS,
            multiple="stack",
            alpha=1,
            linewidth=0.3,
            bins=_bins(segments["d"], lower, upper),
            ax=axis,
            legend=False,
        )
        for value in (lower, upper):
            axis.axvline(value, color="black", linewidth=0.8, linestyle="--")
        axis.set(title=_histogram_title(items, negation), xlabel="d = S(caption) − S(foil)")
        axis.set_ylabel("items" if negation == NEGATIONS[0] else "")
    figure.set_layout_engine("constrained")
    handles = [Rectangle((0, 0), 1, 1, color=SEGMENT_COLOURS[name]) for name in SEGMENTS]
    figure.legend(handles, SEGMENTS, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _histogram_title(items: pd.DataFrame, negation: str) -> str:
    if items.empty:
        return f"negation in {negation}: no items"
    counts = items["segment"].value_counts()
    sizes = ", ".join(f"{counts.get(name, 0)} {name}" for name in SEGMENTS)
    accuracy = items["correct"].mean()
    return f"negation in {negation}: {len(items)} items, accuracy {accuracy:.1%}\n({sizes})"


def _bins(d: pd.Series, lower: float, upper: float, about: int = 30) -> np.ndarray:
    """Edges of about 30 bins, none of which contains items of two segments."""
    lowest, highest = min(d.min(), lower), max(d.max(), upper)
    width = (highest - lowest) / about or 1.0
    if upper - lower >= width:
        width = (upper - lower) / round((upper - lower) / width)
    first = int(np.floor((lowest - lower) / width))
    last = int(np.ceil((highest - lower) / width)) + 1
    return lower + width * np.arange(first, last + 1)


@styled
def cte_map(table: pd.DataFrame, settings: Mapping[str, Any], segment: str | None = None) -> Figure:
    """Roles x hidden states (or blocks): restoration, below it how uncertain or varied it is.

    Below are the standard deviations over items of the paper's mean of ratios, or half the width
    of another effect's interval.  Colours run from -1 to 1 in every figure of shares, so that
    models compare.  Hatched cells do not differ significantly from 0.

    Args:
        table: ``restoration_map`` of a site that is patched by position, in one direction.
        settings: the configuration's ``figures``.
        segment: which items (default: the settings', else correct); all if it is empty.
    """
    effect = shown_effect(table, settings)
    label, is_share = EFFECT_LABELS[effect]
    panels = paired_grids(
        table, wanted_segment(settings, segment), "role", "layer", effect, _alpha(settings)
    )
    site = str(table["site"].iloc[0])
    limit = 1.0 if is_share else panels.largest
    figure, axes = heat_maps(panels, settings, limit, label, below=True)
    titled(figure, f"Restoration by patched token and {SITE_LABELS[site]}", panels.label)
    axes[0, 0].set_ylabel("patched token")
    for axis, negation in zip(axes[1], NEGATIONS, strict=True):
        _deviation_bars(axis, panels.deviations[negation])
        axis.set_xlabel("hidden state" if site == "resid" else "block")
    axes[1, 0].set_ylabel("standard deviation" if effect == "mean" else "± of interval")
    handles, labels = _bars_of_both(axes[1])
    if handles:
        figure.legend(
            handles, labels, loc="outside lower center", ncols=min(len(labels), 6), frameon=False
        )
    return figure


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


def head_restoration(
    table: pd.DataFrame, settings: Mapping[str, Any], segment: str | None = None
) -> Figure:
    """Heads x blocks: restoration by one head at all positions, the highest framed.

    Args:
        table: ``restoration_map`` of a site of single heads, in one direction.
        settings: the configuration's ``figures``.
        segment: which items (default: the settings', else correct); all if it is empty.
    """
    return head_map(table, settings, "restoration", segment)


def restoration(
    table: pd.DataFrame, settings: Mapping[str, Any], segment: str | None = None
) -> Figure:
    """The figure of any site: `head_restoration` if it has heads, else `cte_map`.

    A site that no item can be patched at (attention patterns of sentences of different length)
    gets a figure that says so.
    """
    if table.empty:
        return note("no item of this study can be patched at this site")
    by_head = table["head"].notna().any()
    return (head_restoration if by_head else cte_map)(table, settings, segment)


def segment_map(table: pd.DataFrame, settings: Mapping[str, Any], segment: str) -> Figure:
    """`cte_map` of one segment, with an empty panel where a negation has no item in it."""
    inside = table[table["segment"] == segment]
    if inside.empty:
        return note(f"no item is {segment}")
    return cte_map(inside, settings, segment)


@styled
def note(text: str) -> Figure:
    """A figure that holds a line of text."""
    figure = Figure(figsize=(WIDTH_CM / CM_PER_INCH, 0.6))
    FigureCanvasAgg(figure)
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


@styled
def head_map(
    table: pd.DataFrame,
    settings: Mapping[str, Any],
    quantity: str,
    segment: str | None = None,
) -> Figure:
    """Heads x blocks: the mean of a quantity, the highest cells framed, block means below.

    Of restoration, hatched cells do not differ significantly from 0.
    """
    effect = shown_effect(table, settings)
    label, is_share = EFFECT_LABELS[effect] if "ratio" in table else (f"mean {quantity}", True)
    panels = paired_grids(
        table, wanted_segment(settings, segment), "head", "layer", effect, _alpha(settings)
    )
    limit = min(1.0, panels.largest) if is_share else panels.largest
    figure, axes = heat_maps(panels, settings, limit, label, below=True)
    what = SITE_LABELS[str(table["site"].iloc[0])] if "site" in table else "head"
    titled(figure, f"{quantity.capitalize()} by {what}", panels.label)
    axes[0, 0].set_ylabel("head")
    for column, negation in enumerate(NEGATIONS):
        grid = panels.means[negation]
        for row, place in highest_cells(grid, FRAMED_CELLS):
            axes[0, column].add_patch(
                Rectangle((place, row), 1, 1, fill=False, edgecolor="black", linewidth=1.3)
            )
        axes[1, column].bar(np.arange(grid.shape[1]) + 0.5, grid.mean(), color=BAR_COLOUR)
        axes[1, column].axhline(0, color="black", linewidth=0.6)
        axes[1, column].set_xlabel("block")
    axes[1, 0].set_ylabel("block mean")
    return figure


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


def shown_effect(table: pd.DataFrame, settings: Mapping[str, Any]) -> str:
    """Which column of a map is shown; maps without effect sizes have a mean only."""
    return settings.get("effect", "ratio") if "ratio" in table else "mean"


def attention_layer(settings: Mapping[str, Any], selectivity: pd.DataFrame) -> int:
    """The configured block, or that of the most selective head."""
    configured = settings.get("attention_layer", "auto")
    return most_selective_layer(selectivity) if configured == "auto" else int(configured)


def most_selective_layer(selectivity: pd.DataFrame) -> int:
    """Block of the head with the highest mean selectivity over all items."""
    overall = selectivity[(selectivity["negation"] == ALL) & (selectivity["segment"] == ALL)]
    return int(overall.loc[overall["mean"].idxmax(), "layer"])


class Panels(NamedTuple):
    """The same map for both negations, with the same rows and columns."""

    means: dict[str, pd.DataFrame]  # negation -> rows x columns
    deviations: dict[str, pd.DataFrame]  # negation -> rows x columns, see `cte_map`
    failing: dict[str, pd.DataFrame]  # negation -> rows x columns: not significant, and not 0
    counts: dict[str, int]  # negation -> number of items
    label: str  # which items, in words

    @property
    def shape(self) -> tuple[int, int]:
        return self.means[NEGATIONS[0]].shape

    @property
    def largest(self) -> float:
        """Largest absolute mean in either panel; 1 if all are 0."""
        return max(np.nanmax(np.abs(grid.to_numpy())) for grid in self._filled) or 1.0

    @property
    def lowest(self) -> float:
        return min(np.nanmin(grid.to_numpy()) for grid in self._filled)

    @property
    def highest(self) -> float:
        return max(np.nanmax(grid.to_numpy()) for grid in self._filled)

    @property
    def _filled(self) -> list[pd.DataFrame]:
        return [grid for grid in self.means.values() if grid.notna().any(axis=None)]


def paired_grids(
    table: pd.DataFrame,
    wanted: str,
    rows: str,
    columns: str,
    effect: str = "mean",
    alpha: float = ALPHA,
) -> Panels:
    """Lay a map out as one grid per negation.

    Args:
        table: a map with columns negation, segment, mean, sd, n_items; or with effect sizes, their
            limits and p_fwer, as ``restoration_map``.
        wanted: the segment; all items if it is empty.
        rows, columns: the columns of `table` that become rows and columns; roles are put in
            sentence order.
        effect: the column that is shown.
        alpha: cells with a larger family-wise p are marked as failing.

    Raises:
        InputError: the table has no items.
    """
    shown = table[table["segment"] == available_segment(table, wanted)]
    shown = shown[shown["negation"].isin(NEGATIONS)]
    if shown.empty:
        raise InputError("a map without items cannot be drawn: check filter.min_votes")
    if effect != "mean":
        spread = (shown[f"{effect}_ci_high"] - shown[f"{effect}_ci_low"]) / 2
        shown = shown.assign(mean=shown[effect], sd=spread)
    tested = "p_fwer" in shown
    fails = (shown["p_fwer"] > alpha) & (shown["mean"] != 0) if tested else False
    shown = shown.assign(fails=fails)
    labels = [_ordered(shown[name]) for name in (rows, columns)]
    parts = {n: shown[shown["negation"] == n] for n in NEGATIONS}

    def grids(value: str) -> dict[str, pd.DataFrame]:
        return {n: _grid(part, rows, columns, value, *labels) for n, part in parts.items()}

    counts = {n: int(part["n_items"].max()) if len(part) else 0 for n, part in parts.items()}
    label = segment_label(table, wanted)
    return Panels(grids("mean"), grids("sd"), grids("fails"), counts, label)


def _ordered(values: pd.Series) -> list[Any]:
    """Distinct labels: roles in sentence order, numbers in numerical order."""
    found = set(values)
    return [r for r in ROLE_ORDER if r in found] if values.name == "role" else sorted(found)


def _grid(
    part: pd.DataFrame, rows: str, columns: str, value: str, index: list[Any], header: list[Any]
) -> pd.DataFrame:
    plain = part.assign(**{name: part[name].astype(object) for name in (rows, columns)})
    grid = plain.pivot(index=rows, columns=columns, values=value)
    return grid.reindex(index=index, columns=header).astype(float)


def highest_cells(grid: pd.DataFrame, count: int) -> list[tuple[int, int]]:
    """(row, column) of the highest positive values, the highest first."""
    values = np.nan_to_num(grid.to_numpy(), nan=-np.inf)
    order = np.argsort(-values, axis=None, kind="stable")[:count]
    cells = [np.unravel_index(flat, values.shape) for flat in order]
    return [(int(row), int(column)) for row, column in cells if values[row, column] > 0]


def heat_maps(
    panels: Panels, settings: Mapping[str, Any], limit: float, label: str, below: bool
) -> tuple[Figure, np.ndarray]:
    """One heat map per negation on one scale from -limit to limit, and axes below if wanted."""
    rows, columns = panels.shape
    annotate = settings.get("annotate", True) and rows * columns <= MOST_ANNOTATED_CELLS
    cell = max(LEAST_CELL_WIDTH[annotate], (figure_width(settings) - MARGIN) / 2 / columns)
    step = ceil(LEAST_TICK_DISTANCE / cell)
    heights = [CELL_HEIGHT[annotate] * rows, *([BARS_HEIGHT] if below else [])]
    figure, axes = new_figure(
        2 * cell * columns + MARGIN,
        sum(heights) + 1.3,
        len(heights),
        height_ratios=heights,
        sharex="col",
        sharey="row",
    )
    for column, negation in enumerate(NEGATIONS):
        axis = axes[0, column]
        axis.set_facecolor("0.85")
        sns.heatmap(
            panels.means[negation],
            ax=axis,
            cmap=settings.get("palette", PALETTE),
            vmin=-limit,
            vmax=limit,
            annot=numbers(panels.means[negation]) if annotate else None,
            fmt="",
            xticklabels=step,
            yticklabels=1,
            annot_kws={"size": float(np.clip(24 * cell, 4.5, 7.5))},
            linewidths=0.3,
            cbar=False,
        )
        _hatch(axis, panels.failing[negation])
        axis.set(
            title=f"negation in {negation} (n = {panels.counts[negation]})", xlabel="", ylabel=""
        )
        axis.tick_params(axis="y", rotation=0, length=0, labelleft=column == 0)
        axis.tick_params(axis="x", rotation=0, length=0, labelbottom=not below)
        if below:
            axes[1, column].tick_params(axis="x", length=0, labelbottom=True)
    # Not before: sns.heatmap draws the whole figure, and laying it out each time is slow.
    figure.set_layout_engine("constrained")
    _colour_bar(figure, axes[0], panels, limit, label)
    return figure, axes


def _hatch(axis: Axes, failing: pd.DataFrame) -> None:
    """Mark the cells that are true."""
    for row, place in zip(*np.nonzero(failing.to_numpy() == 1), strict=True):
        axis.add_patch(
            Rectangle(
                (place, row), 1, 1, fill=False, hatch="////", edgecolor=HATCH_COLOUR, linewidth=0
            )
        )


def numbers(grid: pd.DataFrame) -> np.ndarray:
    """What is written into cells: two decimals, but a bare 0 for exactly 0 and no minus zero."""

    def text(value: float) -> str:
        return "0" if value == 0 else f"{value:z.2f}"

    return np.array([[text(value) for value in row] for row in grid.to_numpy()])


def _colour_bar(figure: Figure, axes: np.ndarray, panels: Panels, limit: float, label: str) -> None:
    """One scale for both panels, cut to the values that occur; pointed where some lie beyond."""
    beyond = (panels.lowest < -limit - 1e-6, panels.highest > limit + 1e-6)
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[beyond]
    bar = figure.colorbar(
        axes[0].collections[0], ax=list(axes), extend=extend, label=label, aspect=15, pad=0.02
    )
    bar.outline.set_visible(False)
    if not beyond[0]:
        bar.ax.set_ylim(min(0.0, max(-limit, panels.lowest)), limit)


def new_figure(
    width: float, height: float, rows: int, **subplots: Any
) -> tuple[Figure, np.ndarray]:
    """A figure with a column for each negation, in inches; belongs to no window."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, 2, squeeze=False, **subplots)


def _deviation_bars(axis: Axes, grid: pd.DataFrame) -> None:
    """A group of bars per hidden state, a bar for each role that varies at all."""
    varying = grid[(grid > 0).any(axis=1)]
    width = 0.84 / max(1, len(varying))
    for place, (role, values) in enumerate(varying.iterrows()):
        left = np.arange(len(values)) + 0.08 + place * width
        colour = ROLE_COLOURS[role]
        axis.bar(left, values.fillna(0), width, align="edge", label=role, color=colour)


def _bars_of_both(axes: np.ndarray) -> tuple[list[Any], list[str]]:
    """Legend entries of both panels, in sentence order."""
    entries: dict[str, Any] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    labels = [role for role in ROLE_ORDER if role in entries]
    return [entries[role] for role in labels], labels


def titled(figure: Figure, text: str, label: str) -> None:
    figure.suptitle(f"{text}: {label}")


def wanted_segment(settings: Mapping[str, Any], segment: str | None) -> str:
    return segment or settings.get("segment", "correct")


def _alpha(settings: Mapping[str, Any]) -> float:
    return settings.get("alpha", ALPHA)


def figure_width(settings: Mapping[str, Any]) -> float:
    """Width of a figure in inches, if its columns fit in."""
    return settings.get("width_cm", WIDTH_CM) / CM_PER_INCH
