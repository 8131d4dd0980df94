"""Routes in words: how the effect of a negation travels along the hidden states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from negtrace.figures.shown import listed
from negtrace.report.intervals import with_limits
from negtrace.statistics.credible import (
    NO_EFFECT,
    NOTABLE,
    credible,
    family,
    has_effect,
    over_all_items,
    pooled,
)
from negtrace.vocabulary import EDITED_ROLES, NEGATIONS

HALF = 0.5


@dataclass(frozen=True)
class Route:
    """How the effect of a negation travels from the edited word to EOT."""

    edited: str | None  # role of the edited word
    leaves: int | None  # first hidden state from which restoration there stays below one half
    carrier: tuple[str, int, float] | None  # role between, hidden state and restoration at its peak
    arrives: int | None  # first hidden state from which restoration at EOT stays at one half


def of_resid(table: pd.DataFrame, alpha: float) -> list[str]:
    """Where along the hidden states the effect of the negation sits, by negation.

    Args:
        table: ``restoration_map`` of site resid in one direction.
        alpha: level of the family-wise error.
    """
    rows = over_all_items(table)
    if not has_effect(table):
        return [f"{NO_EFFECT}, and no route is described."] if len(rows) else []
    if not credible(pooled(table), alpha).any():
        return [
            "No hidden state at a single token restores the effect significantly (family-wise over"
            f" {family(table)}): no route is described."
        ]
    sentences = []
    for negation in NEGATIONS:
        part = rows[rows["negation"] == negation]
        if part["mean"].notna().any():
            grid, sure = grids(part, alpha)
            said = _in_words(part, grid, route(grid, sure))
            sentences.append(f"Negation in the {negation}: {said}.")
        elif len(part):
            sentences.append(f"Negation in the {negation}: its mean d may be 0, no share is given.")
    return sentences


def in_short(table: pd.DataFrame, alpha: float) -> list[str]:
    """The route over both negations in one sentence, for a headline.

    Args:
        table: ``restoration_map`` of site resid in one direction.
        alpha: level of the family-wise error.
    """
    rows = pooled(table)
    if rows.empty:
        return []
    if not credible(rows, alpha).any():
        return ["No hidden state at a single token restores its effect significantly."]
    found = route(*grids(rows, alpha))
    steps = [
        f"is mostly off the {found.edited} from hidden state {found.leaves} on"
        if found.leaves is not None
        else "",
        f"shows at {found.carrier[0]} with up to {_at(rows, *found.carrier[:2])} (hidden state"
        f" {found.carrier[1]})"
        if found.carrier and found.carrier[2] >= NOTABLE
        else "",
        f"is mostly at EOT from hidden state {found.arrives} on"
        if found.arrives is not None
        else "",
    ]
    steps = [step for step in steps if step]
    return [f"The effect of the negation {listed(steps)}."] if steps else []


def route(grid: pd.DataFrame, sure: pd.DataFrame) -> Route:
    """Read the route off grids of roles x hidden states.

    Args:
        grid: restoration, null where it is unbounded.
        sure: the same, null where a cell is neither credible nor known by definition: the effect is
            said to be somewhere by these only.
    """
    edited = next((role for role in EDITED_ROLES if role in grid.index), None)
    of_grid, of_sure = grid.T, sure.T
    between = sure.drop(index=[role for role in (edited, "EOT") if role in sure.index])
    peaks: Any = between.iloc[:, 1:-1].stack().dropna()
    carrier = None
    if len(peaks):
        role, layer = peaks.idxmax()
        carrier = (str(role), int(layer), float(peaks.max()))
    return Route(
        edited,
        None if edited is None else lasting(of_grid[edited] < HALF),
        carrier,
        lasting(of_sure["EOT"] >= HALF) if "EOT" in sure.index else None,
    )


def lasting(holds: pd.Series) -> int | None:
    """First label from which a condition holds to the end; none if it does not end so."""
    until = holds.index[~holds]
    after = holds.index if until.empty else holds.index[holds.index > until[-1]]
    return int(after[0]) if len(after) else None


def _at(part: pd.DataFrame, role: str, layer: int) -> str:
    """Restoration in one cell, with its interval."""
    row = part[(part["role"] == role) & (part["layer"] == layer)].itertuples()
    return with_limits(next(iter(row)), "mean")


def _in_words(part: pd.DataFrame, grid: pd.DataFrame, found: Route) -> str:
    clauses = []
    if found.edited is not None:
        clauses.append(
            f"restoration at the {found.edited} does not fall below one half for good"
            if found.leaves is None
            else f"restoration at the {found.edited} is below one half from hidden state"
            f" {found.leaves} on ({_at(part, found.edited, found.leaves)} there)"
        )
    if found.carrier is not None:
        role, layer, peak = found.carrier
        highest = _at(part, role, layer)
        clauses.append(
            f"of the other tokens, {role} carries most ({highest} at hidden state {layer})"
            if peak >= NOTABLE
            else f"no other token but EOT carries {NOTABLE:g} or more (highest {highest})"
        )
    if "EOT" in grid.index:
        clauses.append(
            "EOT does not hold half of the effect at the end"
            if found.arrives is None
            else f"EOT holds at least half of the effect from hidden state {found.arrives} on"
            f" ({_at(part, 'EOT', found.arrives)} there)"
        )
    return "; ".join(clauses)


def grids(part: pd.DataFrame, alpha: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Roles x hidden states of one negation: all bounded means, and those to be relied on."""
    known = part.get("known", False)
    sure = part.assign(mean=part["mean"].where(credible(part, alpha) | known))
    return _roles_by_layer(part), _roles_by_layer(sure)


def _roles_by_layer(part: pd.DataFrame) -> pd.DataFrame:
    plain = part.assign(role=part["role"].astype(object))
    return plain.pivot(index="role", columns="layer", values="mean").sort_index(axis=1)
