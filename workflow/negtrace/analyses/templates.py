"""Templates: does every template and negator find the same circuit?

Four answers from one sweep over crossed templates and subjects: restoration by template and by
negator, with the cells that hold in most of them (`consensus`); how far effects vary between
templates, beside between subjects (`variance_components`); whether maps rank cells alike
(`agreement`); and what of the sentences the map depends on (`confounds`).  Items about one subject
are one cluster: they are of one group, or share pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from negtrace.statistics.agreement import agreement
from negtrace.statistics.consensus import by_level, consensus
from negtrace.statistics.effect_sizes import DEFAULTS, Options
from negtrace.statistics.map_values import CELL, ENDS, item_values
from negtrace.statistics.variance_components import (
    COMPONENTS,
    component_intervals,
    components,
)

FACTORS = ("template", "negator")
VARIANCE_COLUMNS = [
    *CELL,
    *(f"{name}{end}" for name in COMPONENTS for end in ENDS),
    *("n_templates", "n_subjects"),
]


class TemplateTables(NamedTuple):
    """Tables of one sweep; see `schemas/tables.json`."""

    template_map: pd.DataFrame
    template_consensus: pd.DataFrame
    template_variance: pd.DataFrame
    template_agreement: pd.DataFrame


def template_tables(
    values: pd.DataFrame, options: Options = DEFAULTS, k: int | None = None
) -> TemplateTables:
    """All tables of a sweep over a templates dataset.

    Args:
        values: of `designed_values`.
        k: how many templates, or negators, make a consensus; default more than half.
    """
    levels = {factor: by_level(values, factor, options) for factor in FACTORS}
    return TemplateTables(
        _by_factor(levels),
        _by_factor({factor: consensus(table, k) for factor, table in levels.items()}),
        variance(values, options.level),
        _by_factor({factor: agreement(values, factor, options) for factor in FACTORS}),
    )


def _by_factor(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The tables of all factors as one."""
    named = [table.assign(factor=factor) for factor, table in tables.items()]
    return pd.concat(named, ignore_index=True)


def designed_values(
    sweep: pd.DataFrame, scores: pd.DataFrame, segments: pd.DataFrame, designs: pd.DataFrame
) -> pd.DataFrame:
    """Values of a map (`map_values.item_values`) with template, negator and subject."""
    values = item_values(sweep, scores, segments)
    design = designs.set_index("item_id").reindex(values["item_id"].astype(str))
    return values.assign(
        template=design["template"].astype(str).to_numpy(),
        negator=design["negator"].astype(str).to_numpy(),
        subject=design["subject"].astype(str).to_numpy(),
    )


def variance(values: pd.DataFrame, level: float) -> pd.DataFrame:
    """Variance components of every cell between templates and between subjects.

    A value is an item's change by the mean d of all items, so that components are in squared
    shares of the whole effect.

    Returns:
        `VARIANCE_COLUMNS`: first is between templates, second between subjects; cells that are
        known by definition are left out.
    """
    scale = values.drop_duplicates("item_id")["d"].mean()
    rows = []
    for cell, part in values.groupby(CELL, observed=True, dropna=False, sort=False):
        if (part["known"] == 1).all():
            continue
        of_item = part.groupby("item_id", observed=True, sort=False).agg(
            change=("change", "mean"), template=("template", "first"), subject=("subject", "first")
        )
        template, templates = pd.factorize(of_item["template"])
        subject, subjects = pd.factorize(of_item["subject"])
        y = (of_item["change"] / scale).to_numpy(float)[:, None]
        estimate = components(y, template, subject)
        low, high = component_intervals(y, template, subject, level)
        row = dict(zip(CELL, cell, strict=True))
        for name in COMPONENTS:
            row[name] = getattr(estimate, name)[0]
            row[f"{name}_ci_low"], row[f"{name}_ci_high"] = (
                getattr(low, name)[0],
                getattr(high, name)[0],
            )
        rows.append({**row, "n_templates": len(templates), "n_subjects": len(subjects)})
    return pd.DataFrame(rows, columns=VARIANCE_COLUMNS)
