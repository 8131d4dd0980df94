"""Questions: a picture with a true sentence and one or several false ones, as items.

An item has one foil, so a question of several becomes as many items of one group.  Their ids are
the question's, a colon, and the name of the foil.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from negtrace.data.readers.row_files import Rows
from negtrace.errors import InputError
from negtrace.messages import listed

LONGEST_LIST, MOST_FOILS = 100_000, 1000  # characters of a list in a cell, and its entries


def items_of(
    question: str,
    image_file: str | None,
    captions: Mapping[str, Any],
    foils: Mapping[str, Any],
    reason: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Rows of the table ``items`` of one question; each true sentence beside each false one.

    Args:
        question: what the source calls it.
        captions, foils: sentences by name; one that is no text costs its items.
        reason: why none of the items can be used.
    """
    several = len(captions) * len(foils) > 1
    for caption_name, caption in captions.items():
        for foil_name, foil in foils.items():
            name = ":".join(
                part for part, of in ((caption_name, captions), (foil_name, foils)) if len(of) > 1
            )
            row: dict[str, Any] = {
                "item_id": f"{question}:{name}" if several else question,
                "group": question if several else None,
                "image_file": image_file or "",
                "caption": caption if isinstance(caption, str) else "",
                "foil": foil if isinstance(foil, str) else "",
            }
            fault = reason
            for field, text in ((caption_name, caption), (foil_name, foil)):
                if not fault and not isinstance(text, str):
                    fault = f"its {field} is no text"
            yield row | ({"reason": fault} if fault else {})


def unusable(question: str, reason: str) -> dict[str, Any]:
    """The row of a question of which nothing is known but why it cannot be used."""
    return {"item_id": question, "reason": reason}


def records(rows: Rows, needed: Sequence[str], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what the file calls a row, its cells); cells of a row that does not fit are its `fault`.

    Raises:
        InputError: there are no rows, or one of the needed columns is missing or there twice.
    """
    names = [str(name) for name in rows.table.columns]
    if rows.table.empty:
        raise InputError(f"{where}: holds no rows")
    for name in needed:
        if names.count(name) != 1:
            fault = "no column" if name not in names else "several columns"
            raise InputError(
                f"{where}: has {fault} {name!r}; its columns are {listed(names)}: name the kind "
                "that the file is of, or use {kind: table} with `columns`"
            )
    cells: list[Any] = rows.table.to_dict("records")
    for number, row in enumerate(cells):
        key = rows.keys[number] if rows.keys else str(number + 1)
        yield key, {"fault": rows.faults[number]} if number in rows.faults else dict(row)


def list_in(cell: Any) -> list[str] | str:
    """A list of sentences, written as a literal of Python or JSON where the cell is text.

    Returns:
        the sentences, or what is wrong with the cell.
    """
    if isinstance(cell, str):
        if len(cell) > LONGEST_LIST:
            return f"holds a list of more than {LONGEST_LIST} characters"
        try:
            cell = ast.literal_eval(cell.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return "holds no list of sentences"
    if not isinstance(cell, list | tuple) or not all(isinstance(text, str) for text in cell):
        return "holds no list of sentences"
    if not cell:
        return "holds an empty list"
    return list(cell) if len(cell) <= MOST_FOILS else f"holds more than {MOST_FOILS} sentences"


def numbered(texts: Iterable[str]) -> dict[str, str]:
    """Sentences by their number from 1; one that repeats an earlier one is left out."""
    return {str(i): text for i, text in enumerate(dict.fromkeys(texts), start=1)}


def kept_paths(paths: Iterable[Any], parts: int, where: str) -> dict[Any, str]:
    """The last parts of paths of somebody else's machine, which the image folder is to hold.

    Raises:
        InputError: two different pictures would have one name; says how many parts tell them apart.
    """
    kept: dict[Any, str] = {}
    longer: dict[str, str] = {}
    for path in dict.fromkeys(path for path in paths if isinstance(path, str)):
        split = PurePosixPath(path.replace("\\", "/")).parts
        name, full = "/".join(split[-parts:]), "/".join(split[-parts - 1 :])
        if longer.setdefault(name, full) != full:
            raise InputError(
                f"{where}: {longer[name]} and {full} would both be the picture {name}; set `parts` "
                f"to {parts + 1}, and give the folder that holds theirs"
            )
        kept[path] = name
    return kept
