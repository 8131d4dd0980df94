"""Template items: the subjects of a dataset's items, in the sentences of every template.

An item of another dataset says what its picture shows: its pair names a subject, which is there if
the negation is in the foil.  Each drawn one becomes an item per template and negator: the same
picture and subject in other words.  So subjects and templates are crossed, and true and false
negations are as frequent in every template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from negtrace.data.contrasts import paired
from negtrace.data.items import item_table
from negtrace.data.sentences import words
from negtrace.data.templates import TEMPLATES, negators_of, template_of
from negtrace.errors import InputError

DESIGN_COLUMNS = ["item_id", "template", "negator", "subject", "plural"]

PLURALS = frozenset(words("people men women children mice feet teeth geese"))
_THERE_BE = re.compile(r"\s*there\s+(is|are)\b", re.IGNORECASE)


def template_items(
    candidates: pd.DataFrame,
    count: int,
    seed: int,
    templates: Sequence[str] | None = None,
    negators: Sequence[str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Items and their design.

    Args:
        candidates: table of that name, of the dataset whose subjects are taken.
        count: how many of its items; half of them show their subject.
        seed: of the draw, which does not depend on the order of rows.
        templates: names or texts (`templates.template_of`); default all without a second clause.
        negators: those to use; default all that a template's slot has.

    Returns:
        the table ``items``, and ``designs`` with the columns `DESIGN_COLUMNS`.

    Raises:
        InputError: an unknown template or negator, or not enough items name a subject.
    """
    used = [template_of(name) for name in templates] if templates else list(TEMPLATES)
    chosen = set(negators or negators_of(used))
    if unknown := chosen - set(negators_of(used)):
        raise InputError(
            f"no template has the negator {sorted(unknown)[0]!r}; they have "
            f"{', '.join(negators_of(used))}"
        )
    rows: list[dict[str, Any]] = []
    designs: list[dict[str, Any]] = []
    for item in drawn(candidates, count, seed):
        subject = item["subject"]
        plural = is_plural(subject, item["affirmative"])
        for template in used:
            if template.plural != plural:
                continue
            for negator in (n for n in template.negators if n in chosen):
                item_id = f"{item['item_id']}.{template.name}.{negator}"
                said = {
                    kind: template.sentence(negator, kind, subject)
                    for kind in ("affirmative", "negated")
                }
                true, false = said["affirmative"], said["negated"]
                if item["negation"] == "caption":
                    true, false = false, true
                rows.append(
                    {
                        "item_id": item_id,
                        "image_file": item["image_file"],
                        "caption": true,
                        "foil": false,
                        "group": item["item_id"],
                    }
                )
                own = (item_id, template.name, negator, subject.lower(), plural)
                designs.append(dict(zip(DESIGN_COLUMNS, own, strict=True)))
    return item_table(rows), pd.DataFrame(designs, columns=DESIGN_COLUMNS)


def drawn(candidates: pd.DataFrame, count: int, seed: int) -> Iterable[dict[str, Any]]:
    """Items that name a subject, half of which show it; as many subjects as there are, first."""
    named = with_subjects(candidates).sort_values("item_id")
    rng = np.random.default_rng(seed)
    for negation, share in (("foil", count - count // 2), ("caption", count // 2)):
        items = named[named["negation"] == negation]
        if len(items) < share:
            raise InputError(
                f"{len(items)} items with the negation in the {negation} name a subject, and "
                f"{share} are wanted: lower `items` of the dataset to {2 * len(items)} or less"
            )
        items = items.iloc[rng.permutation(len(items))]
        subjects = items["subject"].str.lower().reset_index(drop=True)
        turn = subjects.groupby(subjects).cumcount().to_numpy()
        for row in np.argsort(turn, kind="stable")[:share]:
            yield {str(k): v for k, v in items.iloc[int(row)].items()}


def with_subjects(candidates: pd.DataFrame) -> pd.DataFrame:
    """The items whose pair names a subject, with its words as a column."""
    subjects = []
    for caption, foil in zip(candidates["caption"], candidates["foil"], strict=True):
        pair = paired(str(caption), str(foil))
        at = None if isinstance(pair, str) else pair.negated_subject_at
        start, _, end = (at or "0-0").partition("-")
        subjects.append("" if isinstance(pair, str) else pair.negated[int(start) : int(end)])
    found = candidates.assign(subject=subjects)
    return found[found["subject"] != ""]


def is_plural(subject: str, affirmative: str) -> bool:
    """By the verb after "There", or else by the ending of the subject's last word."""
    verb = _THERE_BE.match(affirmative)
    if verb:
        return verb[1].lower() == "are"
    last = words(subject)[-1]
    return last in PLURALS or (last.endswith("s") and not last.endswith(("ss", "us", "is")))
