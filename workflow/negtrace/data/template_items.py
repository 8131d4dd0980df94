"""Template items: the subjects of a dataset's items, in the sentences of every template.

An item of another dataset says what its picture shows: its pair names a subject, which is there if
the negation is in the foil.  Each drawn one becomes an item per template and negator: the same
picture and subject in other words.  So subjects and templates are crossed, and true and false
negations are as frequent in every template.

A second clause is about what another item of the same picture names: templates whose clause affirms
its `{others}` take items whose picture shows them, those that deny them the other items.  So the
second clause is always true, and the negator of the first is what the truth depends on.

Scope pairs have the negator in both sentences: of "There are some stars but no hearts." and "There
are no stars but some hearts." one is true of a picture that shows one of the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from negtrace.data.contrasts import paired
from negtrace.data.items import item_table
from negtrace.data.sentences import words
from negtrace.data.templates import CLAUSES, TEMPLATES, Template, negators_of, templates_of
from negtrace.errors import InputError

DESIGN_COLUMNS = ["item_id", "template", "negator", "subject", "others", "plural"]

WITH_PARTNER = [template.name for template in CLAUSES if template.partner]
# Context of others that are shown where the subject is not, and the reverse.
OTHER_CONTEXT = {"caption": "affirmed", "foil": "negated"}
PLURALS = frozenset(words("people men women children mice feet teeth geese"))
_THERE_BE = re.compile(r"\s*there\s+(is|are)\b", re.IGNORECASE)


def template_items(
    candidates: pd.DataFrame,
    count: int,
    seed: int,
    templates: Sequence[str | Mapping[str, Any]] | None = None,
    negators: Sequence[str] | None = None,
    pairs: Literal["negation", "scope"] = "negation",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Items and their design.

    Args:
        candidates: table of that name, of the dataset whose subjects are taken.
        count: how many of its items; half of them show their subject.
        seed: of the draw, which does not depend on the order of rows.
        templates: names, texts or mappings (`templates.templates_of`); default all without a
            second clause.
        negators: those to use; default all that a template's slot has.
        pairs: whether an item's sentences negate or affirm its subject, or negate one of two.

    Returns:
        the table ``items``, and ``designs`` with the columns `DESIGN_COLUMNS`.

    Raises:
        InputError: an unknown template or negator, or not enough items name a subject.
    """
    scope = pairs == "scope"
    used = templates_of(templates) if templates else list(CLAUSES if scope else TEMPLATES)
    used = [template for template in used if template.partner] if scope else used
    if not used:
        raise InputError(f"pairs of scope need templates as {', '.join(WITH_PARTNER)}")
    chosen = set(negators or negators_of(used))
    if unknown := chosen - set(negators_of(used)):
        raise InputError(
            f"no template has the negator {sorted(unknown)[0]!r}; they have "
            f"{', '.join(negators_of(used))}"
        )
    by_name = {template.name: template for template in CLAUSES}
    partners = {one.name: by_name[one.partner] for one in used if one.partner}
    rows: list[dict[str, Any]] = []
    designs: list[dict[str, Any]] = []
    for item in drawn(candidates, count, seed, used, scope):
        about = item["subject"], item["others"]
        for template in (one for one in used if scope or _fits(one, item)):
            for negator in (n for n in template.negators if n in chosen):
                item_id = f"{item['item_id']}.{template.name}.{negator}"
                negated = template.sentence(negator, "negated", *about)
                other = template.sentence(negator, "affirmative", *about)
                if scope:
                    other = partners[template.name].sentence(negator, "negated", *about[::-1])
                true, false = negated, other
                if item["negation"] == "foil":
                    true, false = false, true
                rows.append(
                    {
                        "item_id": item_id,
                        "image_file": item["image_file"],
                        "caption": true,
                        "foil": false,
                        "group": item["item_id"],
                        "control": None if scope else template.control_sentence(negator, *about),
                    }
                )
                named = (name.lower() for name in about)
                own = (item_id, template.name, negator, *named, item["plural"])
                designs.append(dict(zip(DESIGN_COLUMNS, own, strict=True)))
    return item_table(rows), pd.DataFrame(designs, columns=DESIGN_COLUMNS)


def _fits(template: Template, item: Mapping[str, Any]) -> bool:
    """Whether an item's subject has the template's number, and others are as its clause says."""
    return template.plural == item["plural"] and template.context in ("none", item["context"])


def drawn(
    candidates: pd.DataFrame, count: int, seed: int, used: Sequence[Template], scope: bool = False
) -> Iterable[dict[str, Any]]:
    """Items that some template fits, half of which show their subject.

    As many subjects as there are come first.  Where templates have second clauses, those of either
    context are as many; of pairs of scope the picture shows the subject or the others.
    """
    named = with_subjects(candidates).sort_values("item_id")
    named = named[named["plural"].isin({template.plural for template in used})]
    contexts = sorted({template.context for template in used} - {"none"})
    named = with_others(named).assign(every="none")
    column = "context" if contexts else "every"
    rng = np.random.default_rng(seed)
    for negation, half in (("foil", count - count // 2), ("caption", count // 2)):
        wanted = [OTHER_CONTEXT[negation]] if scope else contexts or ["none"]
        for number, context in enumerate(wanted):
            share = (half + len(wanted) - 1 - number) // len(wanted)
            items = named[(named["negation"] == negation) & (named[column] == context)]
            if len(items) < share:
                raise InputError(_too_few(len(items), share, negation, context, len(wanted)))
            items = items.iloc[rng.permutation(len(items))]
            subjects = items["subject"].str.lower().reset_index(drop=True)
            turn = subjects.groupby(subjects).cumcount().to_numpy()
            for row in np.argsort(turn, kind="stable")[:share]:
                yield {str(k): v for k, v in items.iloc[int(row)].items()}


def _too_few(there: int, share: int, negation: str, context: str, parts: int) -> str:
    others = {"affirmed": " and a second one that is shown", "negated": " and one that is not"}
    clause = "; a second clause needs two items of one picture" if context in others else ""
    return (
        f"{there} items with the negation in the {negation} name a subject"
        f"{others.get(context, '')}, and {share} are wanted: lower `items` of the dataset to "
        f"{2 * parts * there} or less{clause}"
    )


def with_others(named: pd.DataFrame) -> pd.DataFrame:
    """Items with what another item of the same picture names, as columns others and context.

    Args:
        named: of `with_subjects`.

    Returns:
        others, in the plural and with no word of the subject; and context, affirmed if the picture
        shows them, else negated.  Both are empty where there is no such item.
    """
    of_picture = {picture: rows for picture, rows in named.groupby("image_file", sort=False)}
    found = [
        next(
            (
                (row["subject"], "affirmed" if row["negation"] == "foil" else "negated")
                for row in of_picture[picture].to_dict("records")
                if row["plural"] and not set(words(row["subject"])) & set(words(subject))
            ),
            ("", ""),
        )
        for picture, subject in zip(named["image_file"], named["subject"], strict=True)
    ]
    return named.assign(others=[name for name, _ in found], context=[c for _, c in found])


def with_subjects(candidates: pd.DataFrame) -> pd.DataFrame:
    """The items whose pair names a subject, with its words and number as columns."""
    subjects = []
    for caption, foil in zip(candidates["caption"], candidates["foil"], strict=True):
        pair = paired(str(caption), str(foil))
        at = None if isinstance(pair, str) else pair.negated_subject_at
        start, _, end = (at or "0-0").partition("-")
        subjects.append("" if isinstance(pair, str) else pair.negated[int(start) : int(end)])
    found = candidates.assign(subject=subjects)
    found = found[found["subject"] != ""]
    plural = [
        is_plural(subject, affirmative)
        for subject, affirmative in zip(found["subject"], found["affirmative"], strict=True)
    ]
    return found.assign(plural=plural)


def is_plural(subject: str, affirmative: str) -> bool:
    """By the verb after "There", or else by the ending of the subject's last word."""
    verb = _THERE_BE.match(affirmative)
    if verb:
        return verb[1].lower() == "are"
    last = words(subject)[-1]
    return last in PLURALS or (last.endswith("s") and not last.endswith(("ss", "us", "is")))
