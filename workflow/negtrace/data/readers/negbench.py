"""NegBench (Alhamoud et al. 2025): multiple choice and retrieval with negated captions, as CSV.

Multiple choice: captions ``caption_0``, ``caption_1``, … of which ``correct_answer`` is true; every
other one is a foil.  Retrieval: several true captions of a picture, in which templates have put
"There is no X in the image."; the foil says that there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from negtrace.data.items import item_table
from negtrace.data.readers.questions import (
    items_of,
    kept_paths,
    list_in,
    numbered,
    records,
    unusable,
)
from negtrace.data.readers.row_files import read_rows

READER = {
    "kind": "negbench",
    "files": {"file": {"$ref": "#/$defs/annotations"}},
    "options": {
        "parts": {"type": "integer", "minimum": 1},
        "templates": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"enum": ["positive", "negative", "hybrid"]},
        },
    },
}

CHOICE = re.compile(r"caption_\d+")
VIDEOS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm"})
TEMPLATE = re.compile(r"\bThere is no (?P<object>[^.]+?) in the image\b")
# Words of the language model that was to rephrase a caption.
CHATTER = re.compile(
    r'["\[\]|\n]|->|^\W*\(|[Rr]ephras|does not need|\bNot required\b|\bcaption\b|[Gg]uidelines'
)
NO_FOIL = 'has no "There is no … in the image.", which a foil could deny'


def read_negbench(
    path: str | Path, parts: int = 1, templates: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read a file of NegBench: multiple choice or retrieval, which its columns tell.

    Args:
        parts: of the path of a picture, counted from its end, that are its name in the image
            folder; the paths are of the authors' machine.
        templates: rows of multiple choice that are wanted, by their ``correct_answer_template``.

    Returns:
        the table ``items``, by the number of the row and the column, or number, of the foil.

    Raises:
        InputError: unreadable file, no rows, a missing column, or `parts` that do not tell two
            pictures apart.
    """
    rows = read_rows(path)
    choices = [str(name) for name in rows.table.columns if CHOICE.fullmatch(str(name))]
    picture = "image_path" if choices else "filepath"
    needed = [picture, *(("correct_answer", *choices) if choices else ("captions",))]
    found = list(records(rows, needed, str(path)))
    names = kept_paths((cells.get(picture) for _, cells in found), parts, str(path))
    made: list[dict[str, Any]] = []
    for key, cells in found:
        if "fault" in cells:
            made.append(unusable(key, f"row {key} {cells['fault']}"))
            continue
        image = names.get(cells[picture])
        if choices:
            made += _choice(key, image, cells, choices, templates)
        else:
            made += _retrieval(key, image, cells)
    return item_table(made)


def _choice(
    key: str,
    image: str | None,
    cells: Mapping[str, Any],
    choices: Sequence[str],
    templates: Sequence[str] | None,
) -> Iterator[dict[str, Any]]:
    """The items of a question of multiple choice."""
    answer, template = str(cells["correct_answer"]).strip(), cells.get("correct_answer_template")
    if f"caption_{answer}" not in choices:
        yield unusable(key, f"its correct_answer is {answer!r}, which is no caption's number")
        return
    true = f"caption_{answer}"
    reason = _no_picture(image)
    if templates is not None and template not in templates:
        reason = f"its template is {template}; the dataset's `templates` are {', '.join(templates)}"
    for foil in choices:
        if foil == true:
            continue
        noise = next((name for name in (true, foil) if _is_chatter(cells[name])), None)
        fault = reason or (noise and f"its {noise} holds words of a language model, no caption")
        (row,) = items_of(key, image, {true: cells[true]}, {foil: cells[foil]}, fault)
        yield row | {"item_id": f"{key}:{foil}", "group": key}


def _retrieval(key: str, image: str | None, cells: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The items of a picture with several true captions."""
    captions = list_in(cells["captions"])
    if isinstance(captions, str):
        yield unusable(key, f"its cell of captions {captions}")
        return
    for number, caption in numbered(captions).items():
        foil, count = TEMPLATE.subn(_affirmed, caption, count=1)
        reason = _no_picture(image) or (None if count else f"its caption {NO_FOIL}")
        (row,) = items_of(key, image, {"caption": caption}, {"foil": foil}, reason)
        yield row | {"item_id": f"{key}:{number}", "group": key}


def _affirmed(negated: re.Match[str]) -> str:
    named = negated["object"]
    return f"There is {'an' if named[0].lower() in 'aeiou' else 'a'} {named} in the image"


def _no_picture(image: str | None) -> str | None:
    video = PurePosixPath(image or "").suffix.lower() in VIDEOS
    return "it is about a video, not an image" if video else None


def _is_chatter(caption: Any) -> bool:
    if not isinstance(caption, str):
        return False
    return bool(CHATTER.search(caption)) or len(re.findall(r"\w{2,}", caption)) < 2
