"""Figure of a circuit: the kept edges, layers upwards and tokens across."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from negtrace.figures.registry import draws
from negtrace.figures.style import figure_width, note, styled
from negtrace.statistics.edge_names import READ_OUT, READS, component, height, reads
from negtrace.statistics.kept_edges import kept_edges
from negtrace.vocabulary import ROLES

HEIGHT = 5.0  # inches
MOST_EDGES = 40
WIDEST = 5.0  # points, of the strongest edge
READ_COLOURS = {
    "head": "0.35",
    "q": "#0072B2",
    "k": "#009E73",
    "v": "#D55E00",
    "mlp": "#CC79A7",
    READ_OUT: "#000000",
}

Node = tuple[str, str]  # component and role


@draws("circuit")
@styled
def circuit_figure(edges: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """The kept edges of the first direction as arrows between components at tokens.

    Args:
        edges: table ``edge_map``.
        settings: the configuration's ``figures``.
    """
    of_one = edges[edges["direction"] == edges["direction"].iloc[0]] if len(edges) else edges
    kept = kept_edges(of_one).astype({"sender": str, "receiver": str, "role": str})
    if kept.empty:
        return note("no edge is significant, exceeds its placebo and is worth enough to be drawn")
    shown = kept.head(MOST_EDGES)
    figure = Figure(figsize=(figure_width(settings), HEIGHT))
    axis = figure.subplots()
    places = node_places(shown)
    strongest = shown["difference"].abs().max()
    bend = {kind: 0.12 * number for number, kind in enumerate(READ_COLOURS, 1)}
    row: Any
    for row in shown.itertuples():
        start, end = places[row.sender, row.role], places[component(row.receiver), row.role]
        arrow = {
            "arrowstyle": "-|>",
            "color": READ_COLOURS[reads(row.receiver)],
            "linewidth": max(0.4, WIDEST * abs(row.difference) / strongest),
            "linestyle": "-" if row.difference > 0 else "--",
            "connectionstyle": f"arc3,rad={bend[reads(row.receiver)]}",
            "shrinkA": 9,
            "shrinkB": 9,
        }
        axis.annotate("", end, start, arrowprops=arrow, zorder=2)
    _draw_moves(axis, shown, places)
    for (name, _), place in places.items():
        box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "0.5"}
        axis.text(*place, name, ha="center", va="center", fontsize=7, bbox=box, zorder=3)
    _label(axis, places)
    tested = int(of_one["receiver"].groupby(of_one["negation"], observed=True).size().max())
    count = f"{len(kept)} of {tested} edges"
    if len(shown) < len(kept):
        count += f", the {len(shown)} strongest drawn"
    figure.suptitle(f"The strong edges: {count} ({kept['least'].iloc[0]:g} of d or more)")
    used = [kind for kind in READ_COLOURS if kind in set(map(reads, shown["receiver"]))]
    lines = [Line2D([], [], color=READ_COLOURS[kind], linewidth=2) for kind in used]
    figure.set_layout_engine("constrained")
    labels = [READS[kind] for kind in used]
    figure.legend(lines, labels, loc="outside lower center", ncols=6, frameon=False)
    return figure


def node_places(edges: pd.DataFrame) -> dict[Node, tuple[float, float]]:
    """(x, y) of every component at every role where it has an edge; y is its block."""
    nodes = _written(edges) | {(component(read), role) for read, role in _read(edges)}
    top = max(height(name) for name, _ in nodes if name != READ_OUT) + 1.0
    roles = [role for role in ROLES if role in set(edges["role"])]
    beside: dict[tuple[str, float], list[str]] = {}
    for name, role in sorted(nodes):
        beside.setdefault((role, min(height(name), top)), []).append(name)
    return {
        (name, role): (roles.index(role) + (i + 0.5) / len(names) - 0.5, y)
        for (role, y), names in beside.items()
        for i, name in enumerate(names)
    }


def _written(edges: pd.DataFrame) -> set[Node]:
    return set(zip(map(str, edges["sender"]), map(str, edges["role"]), strict=True))


def _read(edges: pd.DataFrame) -> set[Node]:
    """Receivers, with what they read, and roles."""
    return set(zip(map(str, edges["receiver"]), map(str, edges["role"]), strict=True))


def _draw_moves(
    axis: Axes, edges: pd.DataFrame, places: Mapping[Node, tuple[float, float]]
) -> None:
    """Dotted lines from where a head reads keys and values to where it writes."""
    read = {(component(r), role) for r, role in _read(edges) if reads(r) in ("head", "k", "v")}
    for name, role in sorted(read):
        for other, there in sorted(_written(edges)):
            if other == name and there != role:
                (x, y), (x2, y2) = places[name, role], places[other, there]
                axis.plot([x, x2], [y, y2], ":", color="0.6", linewidth=1.2, zorder=1)


def _label(axis: Axes, places: Mapping[Node, tuple[float, float]]) -> None:
    roles = [role for role in ROLES if role in {role for _, role in places}]
    axis.set_xticks(range(len(roles)), roles)
    top = max(y for _, y in places.values())
    axis.set(xlim=(-0.6, len(roles) - 0.4), ylim=(-0.5, top + 0.5), ylabel="block")
    axis.set_yticks(range(int(top) + 1))
    axis.tick_params(length=0)
    for x in range(1, len(roles)):
        axis.axvline(x - 0.5, color="0.9", linewidth=0.6, zorder=0)
