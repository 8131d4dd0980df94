"""Ledger: every published number beside ours, with a verdict.

Published numbers are a JSON file (``workflow/published``) that says of each where it is found in
our tables and how far ours may be from it; the file gives the reason for each tolerance.  A number
*replicates* if ours is within the tolerance, else it *deviates*.  It is *not comparable* if the
run was of another model or other items, or if we have no value.

Structural cells have their value with any weights (restoration before the edited token, say).  They
are compared, but no count of replicated values includes them: a random model has them right too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from negtrace.errors import InputError

REPLICATES, DEVIATES, NOT_COMPARABLE = "replicates", "deviates", "not comparable"
STRUCTURAL = "structural"

# Verdicts of `identity.identity_check`.
MATCHES, DIFFERS, NOT_CHECKED = "matches", "differs", "not checked"

# Columns of the ledger that say which cell of a map a number is; other coordinates are in words.
COORDINATES = ("negation", "layer", "head", "role")

# Made by the ledger itself, from the tables `pairs` and `excluded`.
ITEM_COUNTS = "item_counts"

Tables = Mapping[tuple[str | None, str], pd.DataFrame]


@dataclass(frozen=True)
class Block:
    """Published numbers that lie in one column of one of our tables.

    Attributes:
        figure: which published figure they belong to.
        quantity: what is measured, in words; ``{column}`` stands for a coordinate.
        wording: of the run that they are compared with.
        table, column: where ours are.
        where: columns of our table with one value for the whole block.
        axes: columns that `values` runs over, outermost first.
        values: [one axis per entry of `axes`].
        tolerance: largest absolute deviation of a replicated value.
        structural: conditions (column to values), any of which makes a cell structural.
        structural_tolerance: the same for those cells.
        caveat: what the publication leaves open, or None.
    """

    figure: str
    quantity: str
    wording: str
    table: str
    column: str
    where: Mapping[str, Any]
    axes: Mapping[str, Sequence[Any]]
    values: np.ndarray
    tolerance: float
    structural: Sequence[Mapping[str, Sequence[Any]]]
    structural_tolerance: float
    caveat: str | None

    def cells(self) -> Iterator[tuple[dict[str, Any], float]]:
        """(coordinates by column, published value) of every number."""
        for labels, value in zip(product(*self.axes.values()), self.values.flat, strict=True):
            yield {**self.where, **dict(zip(self.axes, labels, strict=True))}, float(value)

    def is_structural(self, coordinates: Mapping[str, Any]) -> bool:
        return any(
            all(coordinates[name] in values for name, values in condition.items())
            for condition in self.structural
        )


@dataclass(frozen=True)
class Published:
    """A publication's numbers, and the run that gave them.

    Attributes:
        source: the publication.
        architecture, weights: open_clip's names of the model.
        dataset: name of the items.
        annotations_sha256: hash of the file of items.
        blocks: the numbers.
    """

    source: str
    architecture: str
    weights: str
    dataset: str
    annotations_sha256: str
    blocks: tuple[Block, ...]


def read_published(path: Path | str) -> Published:
    """Read a file of published numbers.

    Raises:
        InputError: the file cannot be read, lacks a key, or a block's values do not fit its axes.
    """
    try:
        content = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: no readable file of published numbers ({error}); restore it"
        ) from error
    try:
        return Published(
            source=content["source"],
            architecture=content["model"]["architecture"],
            weights=content["model"]["weights"],
            dataset=content["dataset"]["name"],
            annotations_sha256=content["dataset"]["annotations_sha256"],
            blocks=tuple(_blocks(content, path)),
        )
    except KeyError as error:
        raise InputError(f"{path}: has no key {error}; add it, see `about` in the file") from error


def _blocks(content: Mapping[str, Any], path: Path | str) -> Iterator[Block]:
    tolerances = {name: entry["value"] for name, entry in content["tolerances"].items()}
    for figure in content["figures"]:
        # One tolerance for a whole figure, so that its summary can name it.
        tolerance = tolerances[figure["tolerance"]]
        for part in figure.get("parts", [{}]):
            entry = {**figure, **part}
            values = np.array(entry["values"], dtype=object)  # rows may differ in length
            shape = tuple(map(len, entry["axes"].values()))
            if values.shape != shape:
                raise InputError(
                    f"{path}: values of figure {entry['figure']!r} have shape {values.shape}, "
                    f"its axes {shape}; correct the one or the other"
                )
            yield Block(
                figure=entry["figure"],
                quantity=entry["quantity"],
                wording=entry["wording"],
                table=entry["table"],
                column=entry["column"],
                where=entry.get("where", {}),
                axes=entry["axes"],
                values=values.astype(float),
                tolerance=tolerance,
                structural=entry.get("structural", ()),
                structural_tolerance=min(tolerance, tolerances[STRUCTURAL]),
                caveat=entry.get("caveat"),
            )


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


def _our_values(block: Block, tables: Tables) -> tuple[dict[tuple, float], str]:
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


def summary(ledger: pd.DataFrame) -> pd.DataFrame:
    """How each published figure fares; structural cells are counted apart.

    Returns:
        one row per figure, in their order: figure, n, n_replicates, n_deviates, n_not_comparable
        (the three add up to n), n_near_zero (compared values that are published as within the
        tolerance of 0, so that a model without any effect replicates them too), tolerance,
        largest_deviation (absolute) and the cell that has it (null without values of ours),
        n_structural, n_structural_deviates, reasons (why numbers are not comparable; null if all
        are).
    """
    rows = []
    for figure, cells in ledger.groupby("figure", sort=False, observed=True):
        own, structural = cells[~cells["structural"]], cells[cells["structural"]]
        shown = own if len(own) else structural
        verdicts = own["verdict"].value_counts()
        compared = shown[shown["verdict"] != NOT_COMPARABLE]
        near_zero = compared["published"].abs() <= compared["tolerance"]
        worst = shown.loc[compared["deviation"].abs().idxmax()] if len(compared) else None
        lacking = cells.loc[cells["verdict"] == NOT_COMPARABLE, "reason"].drop_duplicates()
        rows.append(
            {
                "figure": figure,
                "n": len(own),
                "n_replicates": int(verdicts.get(REPLICATES, 0)),
                "n_deviates": int(verdicts.get(DEVIATES, 0)),
                "n_not_comparable": int(verdicts.get(NOT_COMPARABLE, 0)),
                "n_near_zero": int(near_zero.sum()),
                "tolerance": float(shown["tolerance"].iloc[0]),
                "largest_deviation": np.nan if worst is None else abs(worst["deviation"]),
                "cell": None if worst is None else worst["quantity"],
                "n_structural": len(structural),
                "n_structural_deviates": int((structural["verdict"] == DEVIATES).sum()),
                "reasons": "; ".join(lacking) or None,
            }
        )
    return pd.DataFrame(rows)


def sentences(summary: pd.DataFrame, identity: pd.DataFrame | None = None) -> list[str]:
    """The ledger in plain sentences: the weights first, then the whole, then each figure.

    Args:
        summary: see `summary`.
        identity: the rows of `identity.identity_check`; None if it was not made.
    """
    said = [_of_identity(identity)]
    total = summary[["n", "n_replicates", "n_deviates", "n_not_comparable"]].sum()
    said.append(
        f"Of {total['n']} published values, {total['n_replicates']} replicate, "
        f"{total['n_deviates']} deviate and {total['n_not_comparable']} are not comparable; "
        f"{summary['n_structural'].sum()} more hold with any weights and are not counted."
    )
    reasons = set(summary["reasons"].dropna())
    if total["n"] == total["n_not_comparable"] and len(reasons) == 1:
        return [*said, f"Nothing is compared: {reasons.pop()}."]
    return said + [_of_figure(row) for row in summary.to_dict("records")]


def _of_identity(identity: pd.DataFrame | None) -> str:
    checked = None if identity is None else identity[identity["verdict"] != NOT_CHECKED]
    if checked is None or checked.empty:
        return "Whether the weights are the published ones was not checked."
    differs = int((checked["verdict"] == DIFFERS).sum())
    if differs:
        return (
            f"The weights are not the published ones: {differs} of {len(checked)} outputs that "
            "others published of them differ. What follows is about other weights."
        )
    return f"The weights give all {len(checked)} outputs that others published of them."


def _of_figure(row: Mapping[str, Any]) -> str:
    parts = []
    compared = row["n"] - row["n_not_comparable"]
    if compared:
        parts.append(
            f"{row['n_replicates']} of {compared} values replicate within {row['tolerance']:g} "
            f"(largest deviation {row['largest_deviation']:.2g}: {row['cell']})"
        )
        if row["n_near_zero"]:
            parts.append(f"{row['n_near_zero']} would replicate with no effect at all")
    if row["n_not_comparable"]:
        parts.append(f"{row['n_not_comparable']} are not comparable: {row['reasons']}")
    if row["n_structural_deviates"]:
        parts.append(
            f"{row['n_structural_deviates']} of {row['n_structural']} values that hold with any "
            "weights deviate, which points to other items or an error"
        )
    elif not row["n"]:
        parts.append(
            f"not comparable: {row['reasons']}"
            if pd.notna(row["reasons"])
            else f"all {row['n_structural']} are as published"
        )
    return f"{row['figure'][0].upper()}{row['figure'][1:]}: {'; '.join(parts)}."
