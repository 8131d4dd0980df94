"""Ledger: every published number beside ours, with a verdict.

A number *replicates* if ours is within its tolerance, else it *deviates*.  It is *not comparable*
if the run was of another model or other items, or if we have no value.

Structural cells have their value with any weights (restoration before the edited token, say).  They
are compared, but no count of replicated values includes them: a random model has them right too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from negtrace.errors import InputError
from negtrace.replication.publication import Block, Published
from negtrace.vocabulary import CONTROLS

REPLICATES, DEVIATES, NOT_COMPARABLE = "replicates", "deviates", "not comparable"

# Verdicts of `identity.identity_check`.
MATCHES, DIFFERS, NOT_CHECKED = "matches", "differs", "not checked"

# Columns of the ledger that say which cell of a map a number is; other coordinates are in words.
COORDINATES = ("negation", "layer", "head", "role")

# Made by the ledger itself, from the tables `pairs` and `excluded`.
ITEM_COUNTS = "item_counts"

Tables = Mapping[tuple[str | None, str], pd.DataFrame]


def comparability(
    published: Published,
    identity: Mapping[str, Any],
    annotations_sha256: str | None,
    images_note: str | None = None,
) -> str | None:
    """Why a run cannot be compared with the publication, or None if it can.

    What counts is what was configured: whether a file named like the published weights holds them
    is for `identity.identity_check` to say.

    Args:
        identity: of the model (see `openclip.LoadedModel`).
        annotations_sha256: hash of the dataset's annotations; None if it has no such file.
        images_note: what is wrong with the images ("the images are generated"), or None.
    """
    model = (identity["architecture"], identity["weights"])
    if model != (published.architecture, published.weights):
        return (
            f"another model: {model[0]} with weights {model[1]}, "
            f"not {published.architecture} with weights {published.weights}"
        )
    if annotations_sha256 != published.annotations_sha256:
        return f"another dataset: its annotations are not those of {published.dataset}"
    return images_note


def other_items(kind: str, image_files: pd.DataFrame) -> str | None:
    """Why a run's items are not the published ones, whatever its annotations, or None.

    Args:
        kind: the dataset's, in the configuration.
        image_files: table of that name.
    """
    if kind in CONTROLS:
        return f"another dataset: a negative control ({kind})"
    origins = set(image_files["origin"].dropna())
    return "other images: they are stand-ins" if origins & {"generated", "scenes"} else None


def ledger(published: Published, ours: Tables, obstacle: str | None = None) -> pd.DataFrame:
    """Compare every published number with ours.

    Args:
        ours: tables by (wording, table name), or (None, table name) for those without a wording:
            ``accuracy``, ``restoration_map`` of sweep resid.negate, ``selectivity_map``,
            ``attention_map``, ``selectivity_correlation``, ``feature_correlations``,
            ``feature_summary``, ``accuracy_above_area``, ``pairs`` and ``excluded``.  Any may be
            absent.
        obstacle: why the run cannot be compared (see `comparability`), or None if it can.

    Returns:
        one row per number, in the publication's order: figure, quantity, wording, negation, layer,
        head, role (null where there is none), published, ours (null if absent), deviation
        (ours - published), tolerance, structural, verdict, reason (why it is not comparable, or
        the publication's caveat; null otherwise).

    Raises:
        InputError: a table lacks a column or has two rows for one number.
    """
    tables = {**ours, **_item_counts(ours)}
    rows = []
    for block in published.blocks:
        values, lack = _our_values(block, tables)
        for coordinates, value in block.cells():
            our_value = values.get(tuple(coordinates.values()), np.nan)
            structural = block.is_structural(coordinates)
            tolerance = block.structural_tolerance if structural else block.tolerance
            reason = obstacle or (lack if pd.isna(our_value) else None)
            within = abs(our_value - value) <= tolerance
            rows.append(
                {
                    "figure": block.figure,
                    "quantity": block.quantity.format(wording=block.wording, **coordinates),
                    "wording": block.wording,
                    **{name: coordinates.get(name) for name in COORDINATES},
                    "published": value,
                    "ours": our_value,
                    "deviation": our_value - value,
                    "tolerance": tolerance,
                    "structural": structural,
                    "verdict": NOT_COMPARABLE if reason else REPLICATES if within else DEVIATES,
                    "reason": reason or block.caveat,
                }
            )
    floats = dict.fromkeys(["published", "ours", "deviation", "tolerance"], float)
    return pd.DataFrame(rows).astype({"layer": "Int16", "head": "Int16", **floats})


def _item_counts(ours: Tables) -> dict[tuple[str | None, str], pd.DataFrame]:
    """Items by negation, and all items of the annotations, of every wording."""
    counts = {}
    for wording in {wording for wording, _ in ours}:
        pairs, excluded = ours.get((wording, "pairs")), ours.get((wording, "excluded"))
        if pairs is None or excluded is None:
            continue
        by_negation = pairs["negation"].value_counts()
        counts[wording, ITEM_COUNTS] = pd.DataFrame(
            {
                "negation": ["caption", "foil", "all"],
                "n_items": [by_negation.get("caption", 0), by_negation.get("foil", 0), len(pairs)],
                "n_annotated": len(pairs) + len(excluded),
            }
        )
    return counts


def _our_values(block: Block, tables: Tables) -> tuple[dict[tuple[Any, ...], float], str]:
    """Our values by coordinates in the block's order, and why one may not be among them."""
    name = f"{block.table} in wording {block.wording}"
    table = tables.get((block.wording, block.table), tables.get((None, block.table)))
    if table is None:
        wordings = {wording for wording, _ in tables}
        absent = f"table {name}" if block.wording in wordings else f"wording {block.wording}"
        return {}, f"this study has no {absent}"
    keys = [*block.where, *block.axes]
    missing = [column for column in (*keys, block.column) if column not in table]
    if missing:
        raise InputError(
            f"table {name} has no column {missing[0]!r}, which the published figure "
            f"{block.figure!r} is compared with; delete it and run again"
        )
    repeated = table[table.duplicated(keys)]
    if len(repeated):
        cell = ", ".join(f"{key} {repeated.iloc[0][key]}" for key in keys)
        raise InputError(f"table {name} has several rows for {cell}; give one model's table")
    labels = table[keys].itertuples(index=False, name=None)
    values = dict(zip(labels, table[block.column].astype(float), strict=True))
    return values, f"table {name} has no value for it"
