"""Published numbers: a JSON file that says of each where it is found in our tables.

The files are in ``workflow/published``: one of numbers, and one of tolerances, which were derived
by simulation (docs/tolerances.md) and are called by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import inf
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np

from negtrace.errors import InputError

TEXTS = ("figure", "quantity", "wording", "table", "column")
STRUCTURAL = "structural"  # also the name of the tolerance of such cells


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
        tolerance_name: what the tolerance is called in its file.
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
    tolerance_name: str
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


def read_published(path: Path | str, tolerances: Path | str) -> Published:
    """Read a file of published numbers and the file of their tolerances.

    Raises:
        InputError: a file cannot be read or lacks a key, or a block's values do not fit its axes.
    """
    content, widths = _content(path), read_tolerances(tolerances)
    try:
        return Published(
            source=content["source"],
            architecture=content["model"]["architecture"],
            weights=content["model"]["weights"],
            dataset=content["dataset"]["name"],
            annotations_sha256=content["dataset"]["annotations_sha256"],
            blocks=tuple(_blocks(content, widths, path)),
        )
    except KeyError as error:
        raise InputError(f"{path}: has no key {error}; add it, see `about` in the file") from error
    except InputError:
        raise
    except (AttributeError, OverflowError, TypeError, ValueError) as error:
        raise InputError(f"{path}: an entry has another form ({error}); restore it") from error


def read_tolerances(path: Path | str) -> dict[str, float]:
    """Tolerances by name.

    Raises:
        InputError: the file cannot be read or lacks a key.
    """
    content = _content(path)
    try:
        widths = {name: entry["value"] for name, entry in content["tolerances"].items()}
    except KeyError as error:
        raise InputError(f"{path}: has no key {error}; restore the file") from error
    except (AttributeError, TypeError) as error:
        raise InputError(f"{path}: an entry is no tolerance ({error}); restore the file") from error
    for name, width in widths.items():
        if not isinstance(width, int | float) or not 0 <= width < inf:
            raise InputError(f"{path}: {name} is no tolerance ({width!r}); restore the file")
    return widths


def _content(path: Path | str) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("no object")
        json.dumps(content, ensure_ascii=False).encode()  # no half of a surrogate pair
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: no readable file of published numbers ({error}); restore it"
        ) from error
    return content


def _blocks(
    content: Mapping[str, Any], tolerances: Mapping[str, float], path: Path | str
) -> Iterator[Block]:
    if not content["figures"]:
        raise InputError(f"{path}: holds no figures; restore it")
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
            _check(entry)
            yield Block(
                figure=entry["figure"],
                quantity=entry["quantity"],
                wording=entry["wording"],
                table=entry["table"],
                column=entry["column"],
                where=entry.get("where", {}),
                axes=entry["axes"],
                values=values.astype(float),
                tolerance_name=figure["tolerance"],
                tolerance=tolerance,
                structural=entry.get("structural", ()),
                structural_tolerance=min(tolerance, tolerances[STRUCTURAL]),
                caveat=entry.get("caveat"),
            )


def _check(entry: Mapping[str, Any]) -> None:
    """Raise TypeError or ValueError unless an entry's texts and labels are such."""
    for key in TEXTS:
        if not isinstance(entry[key], str):
            raise TypeError(f"{key} is no text: {entry[key]!r}")
    where, structural = entry.get("where", {}), entry.get("structural", ())
    lists = [*entry["axes"].values(), *(v for cells in structural for v in cells.values())]
    if not all(isinstance(labels, list) for labels in lists):
        raise TypeError(f"figure {entry['figure']!r} has labels that are no list")
    for label in (*where.values(), *(label for labels in lists for label in labels)):
        if not isinstance(label, str | int | float) or label in (inf, -inf) or label != label:
            raise TypeError(f"figure {entry['figure']!r} has a label that is none: {label!r}")
    for key in ("layer", "head"):
        for label in (*entry["axes"].get(key, ()), where.get(key, 0)):
            if not isinstance(label, int):
                raise TypeError(f"figure {entry['figure']!r} has {key} {label!r}")
    fields = {field for _, field, _, _ in Formatter().parse(entry["quantity"]) if field}
    unknown = fields - {"wording", *where, *entry["axes"]}
    if unknown:
        raise ValueError(f"quantity names {sorted(unknown)[0]!r}, which is no coordinate")
