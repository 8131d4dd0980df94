"""Findings: plain sentences about the maps, computed from the tables.

Restoration is the ratio of means where a map has it (`effect_sizes.py`), with its interval, over
all items; only credible cells are named for it (`credible.py`).  Of other quantities the mean is
described, and no sentence claims that it is significant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from negtrace.figures.shown import listed
from negtrace.report import routes
from negtrace.report.intervals import with_limits
from negtrace.statistics.credible import (
    NO_EFFECT,
    NOTABLE,
    TOP_HEADS,
    has_effect,
    named,
    over_all_items,
    pooled,
)
from negtrace.vocabulary import ALL, NEGATIONS, Site


@dataclass(frozen=True)
class Head:
    """One attention head and the mean of a quantity over its items."""

    layer: int
    number: int
    mean: float
    value: str  # the mean, with its interval where there is one
    by_negation: tuple[tuple[str, str], ...]  # the same of each negation

    @property
    def name(self) -> str:
        return f"head {self.number} of block {self.layer}"

    def __str__(self) -> str:
        parts = ", ".join(f"{negation} {value}" for negation, value in self.by_negation)
        return f"{self.name} ({self.value}" + (f"; {parts})" if parts else ")")


def headline(
    accuracy: pd.DataFrame,
    resid: pd.DataFrame | None,
    heads: pd.DataFrame | None,
    alpha: float,
) -> str:
    """The main numbers of one dataset, model and wording in a few lines.

    Args:
        accuracy: table ``accuracy``.
        resid, heads: ``restoration_map`` of sites resid and head, where they were swept.
        alpha: level of the family-wise error.
    """
    overall: Any = accuracy.set_index("negation").loc[ALL]
    said = [
        f"The caption scores higher than the foil in {with_limits(overall, 'accuracy', '.1%')} of"
        f" {plural(overall['n_items'], 'item')}."
    ]
    maps = [table for table in (resid, heads) if table is not None and len(over_all_items(table))]
    if maps and not any(has_effect(table) for table in maps):
        return f"{said[0]} {NO_EFFECT}."
    if resid is not None:
        said += routes.in_short(resid, alpha)
    if heads is not None:
        top = [head for head in top_heads(heads, alpha, 1) if head.mean >= NOTABLE]
        if top:
            said.append(f"The head that restores most is {top[0].name} ({top[0].value}).")
        elif len(pooled(heads)):
            said.append(f"No single head restores {NOTABLE:g} of it or more significantly.")
    return " ".join(said)


def of_accuracy(accuracy: pd.DataFrame) -> list[str]:
    """How many items there are and how often the caption wins, by negation."""
    rows = accuracy.set_index("negation")
    overall: Any = rows.loc[ALL]
    sentences = [
        f"{plural(overall['n_items'], 'item')} over {plural(overall['n_pairs'], 'distinct pair')}"
        f" of sentences{_clusters(overall)}; the caption scores higher than the foil in"
        f" {with_limits(overall, 'accuracy', '.1%')}."
    ]
    for negation in NEGATIONS:
        if negation in rows.index:
            row: Any = rows.loc[negation]
            sentences.append(
                f"Negation in the {negation}: {with_limits(row, 'accuracy', '.1%')} of"
                f" {plural(row['n_items'], 'item')} ({plural(row['n_pairs'], 'pair')}) are right;"
                f" mean d is {with_limits(row, 'mean_d')}."
            )
    return sentences


def _clusters(row: Any) -> str:
    """How many clusters the pairs make, where they are linked."""
    if row.get("n_clusters", row["n_pairs"]) == row["n_pairs"]:
        return ""
    clusters = plural(row["n_clusters"], "cluster")
    return f", in {clusters} of pairs that share sentences or groups (the unit of all statistics)"


def top_heads(table: pd.DataFrame, alpha: float, count: int = TOP_HEADS) -> list[Head]:
    """The credible heads with the highest mean over both negations, the highest first."""
    return _heads(named(table, alpha).head(count), table)


def of_heads(table: pd.DataFrame, quantity: str, alpha: float, count: int = TOP_HEADS) -> list[str]:
    """The credible heads with the highest mean of a quantity, and any that work against it.

    Args:
        table: a map by head: ``restoration_map``, or one without tests.
        quantity: what the map is of, in words.
        alpha: level of the family-wise error.
    """
    if not len(pooled(table)):
        return []
    if not has_effect(table):
        return [f"{NO_EFFECT}, and no head is named for {quantity}."]
    rows = named(table, alpha)
    best = [str(head) for head in _heads(rows.head(count), table) if head.mean >= NOTABLE]
    sentences = [
        f"Highest mean {quantity} (all items): {'; '.join(best)}."
        if best
        else f"No single head has a{_tested(table)} mean {quantity} of {NOTABLE:g} or more (all"
        " items)."
    ]
    sentences += [
        f"Most negative mean {quantity}: {head}."
        for head in _heads(rows.tail(1), table)
        if head.mean <= -NOTABLE
    ]
    return sentences


def _tested(table: pd.DataFrame) -> str:
    return " significant" if "p_fwer" in table else ""


def of_blocks(table: pd.DataFrame, site: Site, alpha: float, count: int = TOP_HEADS) -> list[str]:
    """The credible cells (token and block) of a site that restore most, over both negations.

    Args:
        table: ``restoration_map`` of a site that is patched by position, other than resid.
        site: what is patched.
        alpha: level of the family-wise error.
    """
    if not len(pooled(table)):
        return []
    if not has_effect(table):
        return [f"{NO_EFFECT}, and no {site.label} is named."]
    best = named(table, alpha)
    best = best[best["mean"] >= NOTABLE].head(count)
    if best.empty:
        return [
            f"No {site.label} at a single token has a{_tested(table)} mean restoration of"
            f" {NOTABLE:g} or more (all items)."
        ]
    rows: Any = best.itertuples()
    cells = [
        f"{site.layers} {row.layer} at {row.role} ({with_limits(row, 'mean')})" for row in rows
    ]
    return [f"Highest mean restoration by {site.label} (all items): {'; '.join(cells)}."]


def of_overlap(
    restoration: pd.DataFrame, selectivity: pd.DataFrame, alpha: float, count: int = TOP_HEADS
) -> list[str]:
    """Whether the heads that restore most are also the most selective ones."""
    restoring, selective = (
        [head.name for head in top_heads(table, alpha, count) if head.mean >= NOTABLE]
        for table in (restoration, selectivity)
    )
    if not restoring or not selective:
        return []
    both = [name for name in restoring if name in selective]
    if not both:
        return [
            "None of the heads named for their restoration is among those named for their"
            " selectivity."
        ]
    return [f"Named for both restoration and selectivity: {listed(both)}."]


def _heads(rows: pd.DataFrame, table: pd.DataFrame) -> list[Head]:
    """Heads from their rows over both negations, with their means by negation from a whole map."""
    known = over_all_items(table).dropna(subset=["mean"])
    by_negation: dict[Any, Any] = {
        (row.layer, row.head, row.negation): row for row in known.itertuples()
    }
    chosen: Any = rows.itertuples()
    return [
        Head(
            int(row.layer),
            int(row.head),
            float(row.mean),
            with_limits(row, "mean"),
            tuple(
                (negation, with_limits(by_negation[key], "mean"))
                for negation in NEGATIONS
                if (key := (row.layer, row.head, negation)) in by_negation
            ),
        )
        for row in chosen
    ]


def plural(count: int, noun: str) -> str:
    return f"{count:.0f} {noun}{'' if count == 1 else 's'}"


def cell_name(row: Any) -> str:
    """A cell of a map in words, from its row."""
    if pd.notna(row.head):
        return f"head {row.head:.0f} of block {row.layer}"
    return f"{row.role} in layer {row.layer}"
