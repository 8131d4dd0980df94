"""Findings: plain sentences about the maps, computed from the tables.

Restoration is the ratio of means where a map has it (`effect_sizes.py`), with its interval; of
other quantities the mean is described, and no sentence claims that it is significant
(`evidence.py` does).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from negtrace.figures.shown import available_segment, segment_label, shown_rows
from negtrace.vocabulary import ALL, EDITED_ROLES, NEGATIONS

# Where an affirmative and a negated sentence differ, in both schemas of roles.
HALF = 0.5
NOTABLE = 0.1
FEW_ITEMS = 20
SMALL_D = 0.1
TOP_HEADS = 3


@dataclass(frozen=True)
class Route:
    """How the effect of a negation travels from the edited word to EOT."""

    edited: str | None  # role of the edited word
    leaves: int | None  # first hidden state from which restoration there stays below one half
    carrier: tuple[str, int, float] | None  # role between, hidden state and restoration at its peak
    arrives: int | None  # first hidden state from which restoration at EOT stays at one half


@dataclass(frozen=True)
class Head:
    """One attention head and the mean of a quantity over its items."""

    layer: int
    number: int
    mean: float
    by_negation: tuple[tuple[str, float], ...]
    limits: tuple[float, float] | None = None  # interval of the mean, where there is one

    @property
    def name(self) -> str:
        return f"head {self.number} of block {self.layer}"

    def __str__(self) -> str:
        parts = ", ".join(f"{negation} {mean:.2f}" for negation, mean in self.by_negation)
        return f"{self.name} ({self.value}" + (f"; {parts})" if parts else ")")

    @property
    def value(self) -> str:
        """The mean, with its interval where there is one."""
        limits = "" if self.limits is None else f" [{self.limits[0]:.2f}, {self.limits[1]:.2f}]"
        return f"{self.mean:.2f}{limits}"


def headline(
    accuracy: pd.DataFrame,
    resid: pd.DataFrame | None,
    heads: pd.DataFrame | None,
    wanted: str,
) -> str:
    """The main numbers of one dataset, model and wording in a few lines.

    Args:
        accuracy: table ``accuracy``.
        resid, heads: ``restoration_map`` of sites resid and head, where they were swept.
        wanted: the segment that maps show; all items where it is empty.
    """
    overall = accuracy.set_index("negation").loc[ALL]
    said = [f"The caption scores higher than the foil in {overall['accuracy']:.1%} of items."]
    if resid is not None and len(shown := shown_rows(resid, wanted)):
        found = route(_roles_by_layer(shown[shown["negation"] == ALL]))
        steps = [
            f"is mostly off the {found.edited} from hidden state {found.leaves} on"
            if found.leaves is not None
            else "",
            f"shows at {found.carrier[0]} with up to {found.carrier[2]:.2f} (hidden state"
            f" {found.carrier[1]})"
            if found.carrier and found.carrier[2] >= NOTABLE
            else "",
            f"is mostly at EOT from hidden state {found.arrives} on"
            if found.arrives is not None
            else "",
        ]
        if any(steps):
            said.append(f"The effect of the negation {_listed(filter(None, steps))}.")
    if heads is not None and (top := top_heads(heads, wanted, 1)):
        said.append(f"The head that restores most is {top[0].name} ({top[0].value}).")
    return " ".join(said)


def of_accuracy(accuracy: pd.DataFrame) -> list[str]:
    """How many items there are and how often the caption wins, by negation."""
    rows = accuracy.set_index("negation")
    overall: Any = rows.loc[ALL]
    sentences = [
        f"{plural(overall['n_items'], 'item')} over {plural(overall['n_pairs'], 'distinct pair')}"
        f" of sentences; the caption scores higher than the foil in {overall['accuracy']:.1%}."
    ]
    for negation in NEGATIONS:
        if negation in rows.index:
            row: Any = rows.loc[negation]
            sentences.append(
                f"Negation in the {negation}: {row['accuracy']:.1%} of"
                f" {plural(row['n_items'], 'item')} ({plural(row['n_pairs'], 'pair')}) are right;"
                f" mean d is {row['mean_d']:.2f}."
            )
    return sentences


def of_cautions(table: pd.DataFrame, wanted: str, items: pd.DataFrame | None = None) -> list[str]:
    """What makes the means of a map unreliable: another segment, few items, small denominators.

    Args:
        table: ``restoration_map`` of any site.
        wanted: the segment that maps show.
        items: table ``segments``, to find items whose d, the denominator, is near 0.
    """
    segment = available_segment(table, wanted)
    sentences = []
    if segment != wanted:
        sentences.append(f"The maps show {segment_label(table, wanted)}.")
    shown = shown_rows(table, wanted)
    for negation in NEGATIONS:
        counts = shown.loc[shown["negation"] == negation, "n_items"]
        count = int(counts.max()) if len(counts) else 0
        if count < FEW_ITEMS:
            which = "" if segment == ALL else f" {segment}"
            sentences.append(
                f"Caution: the maps average only {count}{which} {'item' if count == 1 else 'items'}"
                f" with the negation in the {negation}."
            )
    if items is not None:
        inside = items if segment == ALL else items[items["segment"] == segment]
        small = int((inside["d"].abs() < SMALL_D).sum())
        if small:
            sentences.append(
                f"Caution: |d| is below {SMALL_D:g} in {small} of {plural(len(inside), 'item')};"
                " such items can dominate the mean of ratios, not the ratio of means."
            )
    return sentences


def of_resid(table: pd.DataFrame, wanted: str) -> list[str]:
    """Where along the hidden states the effect of the negation sits, by negation.

    Args:
        table: ``restoration_map`` of site resid in one direction.
        wanted: the segment to look at; all items where it is empty.
    """
    shown = shown_rows(table, wanted)
    sentences = []
    for negation in NEGATIONS:
        part = shown[shown["negation"] == negation]
        if len(part):
            grid = _roles_by_layer(part)
            sentences.append(f"Negation in the {negation}: {_in_words(grid, route(grid))}.")
    return sentences


def route(grid: pd.DataFrame) -> Route:
    """Read the route off a grid of roles x hidden states."""
    edited = next((role for role in EDITED_ROLES if role in grid.index), None)
    between = grid.drop(index=[role for role in (edited, "EOT") if role in grid.index])
    by_role = grid.T
    peaks: Any = between.iloc[:, 1:-1].stack().dropna()
    carrier = None
    if len(peaks):
        role, layer = peaks.idxmax()
        carrier = (str(role), int(layer), float(peaks.max()))
    return Route(
        edited,
        None if edited is None else lasting(by_role[edited] < HALF),
        carrier,
        lasting(by_role["EOT"] >= HALF) if "EOT" in grid.index else None,
    )


def lasting(holds: pd.Series) -> int | None:
    """First label from which a condition holds to the end; none if it does not end so."""
    until = holds.index[~holds]
    after = holds.index if until.empty else holds.index[holds.index > until[-1]]
    return int(after[0]) if len(after) else None


def top_heads(table: pd.DataFrame, wanted: str, count: int = TOP_HEADS) -> list[Head]:
    """The heads with the highest mean over both negations, the highest first."""
    shown = shown_rows(table, wanted)
    overall = shown[shown["negation"] == ALL]
    best = overall.sort_values(["mean", "layer", "head"], ascending=[False, True, True])
    return [_head(row, shown) for row in best.head(count).itertuples()]


def of_heads(table: pd.DataFrame, wanted: str, quantity: str, count: int = TOP_HEADS) -> list[str]:
    """The heads with the highest mean of a quantity, and any that work strongly against it."""
    top = top_heads(table, wanted, count)
    if not top:
        return []
    described = segment_label(table, wanted)
    if top[0].mean < NOTABLE:
        sentences = [
            f"No single head has a mean {quantity} of {NOTABLE:g} or more ({described}); the"
            f" highest is {top[0]}."
        ]
    else:
        named = "; ".join(str(head) for head in top if head.mean >= NOTABLE)
        sentences = [f"Highest mean {quantity} ({described}): {named}."]
    lowest = _lowest_head(table, wanted)
    if lowest.mean <= -NOTABLE:
        sentences.append(f"Most negative mean {quantity}: {lowest}.")
    return sentences


def of_blocks(table: pd.DataFrame, wanted: str, what: str, count: int = TOP_HEADS) -> list[str]:
    """The cells (token and block) of a site that restore most, over both negations.

    Args:
        table: ``restoration_map`` of a site that is patched by position, other than resid.
        what: the site in words.
    """
    shown = shown_rows(table, wanted)
    overall = shown[shown["negation"] == ALL].sort_values(
        ["mean", "layer", "role"], ascending=[False, True, True]
    )
    if overall.empty:
        return []
    named = [f"block {row.layer} at {row.role} ({row.mean:.2f})" for row in overall.itertuples()]
    described = segment_label(table, wanted)
    notable = int((overall["mean"] >= NOTABLE).sum())
    if not notable:
        return [
            f"No {what} at a single token has a mean restoration of {NOTABLE:g} or more"
            f" ({described}); the highest is {named[0]}."
        ]
    return [
        f"Highest mean restoration by {what} ({described}): "
        f"{'; '.join(named[: min(count, notable)])}."
    ]


def of_overlap(
    restoration: pd.DataFrame, selectivity: pd.DataFrame, wanted: str, count: int = TOP_HEADS
) -> list[str]:
    """Whether the heads that restore most are also the most selective ones."""
    restoring, selective = (
        [head.name for head in top_heads(table, wanted, count) if head.mean >= NOTABLE]
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
    return [f"Named for both restoration and selectivity: {_listed(both)}."]


def _in_words(grid: pd.DataFrame, found: Route) -> str:
    clauses = []
    if found.edited is not None:
        clauses.append(
            f"restoration at the {found.edited} does not fall below one half for good"
            if found.leaves is None
            else f"restoration at the {found.edited} is below one half from hidden state"
            f" {found.leaves} on ({grid[found.leaves][found.edited]:.2f} there)"
        )
    if found.carrier is not None:
        role, layer, peak = found.carrier
        clauses.append(
            f"of the other tokens, {role} carries most ({peak:.2f} at hidden state {layer})"
            if peak >= NOTABLE
            else f"no other token but EOT carries {NOTABLE:g} or more (highest {peak:.2f})"
        )
    if "EOT" in grid.index:
        clauses.append(
            "EOT does not hold half of the effect at the end"
            if found.arrives is None
            else f"EOT holds at least half of the effect from hidden state {found.arrives} on"
            f" ({grid[found.arrives]['EOT']:.2f} there)"
        )
    return "; ".join(clauses)


def _roles_by_layer(part: pd.DataFrame) -> pd.DataFrame:
    plain = part.assign(role=part["role"].astype(object))
    return plain.pivot(index="role", columns="layer", values="mean").sort_index(axis=1)


def _lowest_head(table: pd.DataFrame, wanted: str) -> Head:
    shown = shown_rows(table, wanted)
    overall = shown[shown["negation"] == ALL]
    return _head(next(overall.nsmallest(1, "mean").itertuples()), shown)


def _head(row: Any, shown: pd.DataFrame) -> Head:
    """A head from its row over both negations, with its means by negation from `shown`."""
    same = shown[(shown["layer"] == row.layer) & (shown["head"] == row.head)]
    means = same.set_index(same["negation"].astype(object))["mean"]
    by_negation = tuple((n, float(means[n])) for n in NEGATIONS if n in means.index)
    limits = (getattr(row, "ratio_ci_low", np.nan), getattr(row, "ratio_ci_high", np.nan))
    return Head(
        int(row.layer),
        int(row.head),
        float(row.mean),
        by_negation,
        None if np.isnan(limits).any() else limits,
    )


def plural(count: int, noun: str) -> str:
    return f"{count:.0f} {noun}{'' if count == 1 else 's'}"


def _listed(parts: Iterable[str]) -> str:
    """a, b and c."""
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last
