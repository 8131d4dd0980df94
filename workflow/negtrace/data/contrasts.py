"""Contrasts: what the two sentences of a pair differ in, and so which of them is the source.

negation    the source is the negated sentence, found by a lexicon in the words that differ
            (`negation.py`); pairs in which nothing or something else is negated are left out
columns     the item says which sentence is the source (its field ``source``)
caption     the true sentence is the source

Under the last two any two sentences are a pair.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from negtrace.data.minimal_pair import OTHER, MinimalPair, edit_of
from negtrace.data.negation import found_negation
from negtrace.data.negators import LEXICON, Negator
from negtrace.data.scope import Subject, common_subject, subject
from negtrace.data.sentences import characters, cleaned, words
from negtrace.vocabulary import Negation

SAME_SENTENCE = "caption and foil are the same sentence"
NO_SOURCE = "its source is {!r}; the contrast columns needs caption or foil there"


class Contrast(NamedTuple):
    """A dataset's contrast.

    Attributes:
        kind: key of `vocabulary.CONTRASTS`.
        lexicon: the negators.
        subjects: whether a subject that both sentences name is to be found.
    """

    kind: str = "negation"
    lexicon: tuple[str, ...] = LEXICON
    subjects: bool = True


NEGATION = Contrast()


def contrast_of(settings: dict[str, Any]) -> Contrast:
    """The contrast of the settings that `study.contrasts` gives."""
    lexicon = (*settings.get("lexicon", LEXICON), *settings.get("add", ()))
    return Contrast(settings["kind"], lexicon, settings["roles"] == "subject")


def paired(
    caption: str, foil: str, contrast: Contrast = NEGATION, source: str | None = None
) -> MinimalPair | str:
    """Two sentences, cleaned, as a pair; or the reason why they are none.

    Args:
        caption, foil: the true and the false sentence.
        source: caption or foil, for the contrast ``columns``.
    """
    found = told_apart(caption, foil, contrast, source)
    return found if isinstance(found, str) else described(*found, contrast)


def told_apart(
    caption: str, foil: str, contrast: Contrast, source: str | None = None
) -> tuple[MinimalPair, Negator | None] | str:
    """As `paired`, a pair without its description, and the negator that tells its sentences apart.

    The negator is that of a negation; of another contrast there is none.
    """
    caption, foil = cleaned(caption), cleaned(foil)
    for field, sentence in (("caption", caption), ("foil", foil)):
        if not sentence.strip():
            return f"{field} is empty"
    if words(caption) == words(foil):
        return SAME_SENTENCE
    kind, found = found_negation(words(caption), words(foil), contrast.lexicon)
    negator: Negator | None = None
    if contrast.kind == "negation":
        if isinstance(found, str):
            return found
        negation, negator = found
    elif contrast.kind == "caption":
        negation = "caption"
    elif source in ("caption", "foil"):
        negation = cast(Negation, source)
    else:
        return NO_SOURCE.format(source if isinstance(source, str) else "")
    negated, affirmative = (caption, foil) if negation == "caption" else (foil, caption)
    return MinimalPair(negation, negated, affirmative, OTHER, kind), negator


def described(pair: MinimalPair, negator: Negator | None, contrast: Contrast) -> MinimalPair:
    """A pair with its edit, its negator and its subject, as its sentences are worded."""
    negated, affirmative = words(pair.negated), words(pair.affirmative)
    named: Subject | None = None
    if negator:
        pair = pair._replace(
            edit=edit_of(negated, affirmative, negator),
            negator=negator.text,
            negator_at=characters(pair.negated, negator.places),
        )
    if contrast.subjects:
        named = (
            subject(negated, affirmative, negator)
            if negator
            else common_subject(negated, affirmative)
        )
    return pair._replace(
        negated_subject_at=_at(pair.negated, named and named.negated),
        affirmative_subject_at=_at(pair.affirmative, named and named.affirmative),
    )


def _at(sentence: str, places: range | None) -> str | None:
    return characters(sentence, places) if places else None
