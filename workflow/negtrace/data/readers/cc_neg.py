"""CC-Neg (Singh et al. 2024): captions of Conceptual Captions with a negated one beside each.

``ccneg_preprocessed.pt`` is what ``torch.save`` wrote; it is read without running any code of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from negtrace.data.items import item_table
from negtrace.data.readers.questions import items_of, kept_paths, unusable
from negtrace.errors import InputError
from negtrace.messages import one_line

READER = {
    "kind": "cc_neg",
    "files": {"file": {"$ref": "#/$defs/annotations"}},
    "options": {
        "split": {"enum": ["evaluation", "training", "all"]},
        "parts": {"type": "integer", "minimum": 1},
    },
}

EVALUATION = 40_000  # the last annotations


def read_cc_neg(path: str | Path, split: str = "evaluation", parts: int = 1) -> pd.DataFrame:
    """Read CC-Neg's annotations.

    Args:
        split: ``evaluation`` (the last 40,000), ``training`` (those before) or ``all``.
        parts: of the path of a picture, counted from its end, that are its name in the image
            folder.

    Returns:
        the table ``items``, by the place of the annotation in the file, counted from 1; commas of
        the negated caption are left out, as the authors do.

    Raises:
        InputError: the file cannot be read, or is not what CC-Neg's is.
    """
    from negtrace.models.safe_pickle import read_pickle

    try:
        content, _ = read_pickle(Path(path))
    except Exception as error:  # whatever a damaged or hostile file makes the reader raise
        raise InputError(
            f"{path}: cannot be read ({one_line(error)}); fetch CC-Neg's file again"
        ) from None
    found = content if isinstance(content, Mapping) else {}
    paths, annotations = found.get("image_paths"), found.get("annotations")
    if (
        not isinstance(paths, list)
        or not isinstance(annotations, list)
        or not paths
        or len(paths) != len(annotations)
    ):
        raise InputError(
            f"{path}: is no file of CC-Neg, which has lists image_paths and annotations of one "
            "length"
        )
    first = max(0, len(paths) - EVALUATION)
    wanted = {
        "evaluation": range(first, len(paths)),
        "training": range(first),
        "all": range(len(paths)),
    }[split]
    names = kept_paths((paths[i] for i in wanted), parts, str(path))
    return item_table(
        row for i in wanted for row in _items(str(i + 1), names, paths[i], annotations[i])
    )


def _items(
    key: str, names: Mapping[Any, str], path: Any, annotation: Any
) -> Iterator[dict[str, Any]]:
    try:
        caption = annotation["json"]["caption"]
        negated = annotation["sop_data"]["negative-prompt"]
    except (KeyError, TypeError, IndexError):
        yield unusable(key, "the annotation has no json.caption or no sop_data.negative-prompt")
        return
    if not isinstance(path, str):
        yield unusable(key, "the path of its picture is no text")
        return
    foil = negated.replace(",", "") if isinstance(negated, str) else negated
    yield from items_of(key, names[path], {"caption": caption}, {"negative-prompt": foil})
