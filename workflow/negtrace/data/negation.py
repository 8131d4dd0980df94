"""Negation: which of two sentences negates, by what word, and whether the other affirms it.

Both sentences are cut into words and compared (`edits.py`).  A pair is a negation if one of them
has exactly one negator (`negators.py`) more where they differ, and what it negates (`scope.py`) is
what the other sentence affirms.  Where both are negated, or they negate different things, the pair
is one of scope; where nothing is negated, another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from negtrace.data.negators import FUSED, LEXICON, Negator, negators
from negtrace.data.scope import FUNCTION, INDEFINITE, PRONOUNS, Words, content, content_words
from negtrace.models.edits import edited_spans
from negtrace.vocabulary import Negation

Kind = Literal["negation", "scope", "other"]

NO_NEGATOR = "no negator distinguishes the two sentences"
BOTH_NEGATED = "scope: both sentences are negated ({})"
SEVERAL = "one sentence has several negators more than the other; a negation pair has one ({})"
OTHER_SCOPE = "scope: what is negated is not what the other sentence affirms ({}: {})"


class Found(NamedTuple):
    """A negation pair.

    Attributes:
        negation: which of the two is the negated sentence.
        negator: of the negated sentence.
    """

    negation: Negation
    negator: Negator


def found_negation(
    caption: Words, foil: Words, lexicon: Sequence[str] = LEXICON
) -> tuple[Kind, Found | str]:
    """What kind of pair two sentences are, and the negation, or the reason why it is none."""
    spans = edited_spans(caption, foil)
    every = negators(caption, lexicon), negators(foil, lexicon)
    in_caption = _edited(every[0], [span.first for span in spans])
    in_foil = _edited(every[1], [span.second for span in spans])
    if in_caption and in_foil:
        return "scope", BOTH_NEGATED.format(_quoted(in_caption + in_foil))
    if not in_caption and not in_foil:
        if all(every) and _negated(caption, every[0]) != _negated(foil, every[1]):
            return "scope", BOTH_NEGATED.format(_quoted([*every[0], *every[1]]))
        return "other", NO_NEGATOR
    more = in_caption or in_foil
    if len(more) > 1:
        return "other", SEVERAL.format(_quoted(more))
    found = Found("caption" if in_caption else "foil", more[0])
    negated, affirmative = (caption, foil) if in_caption else (foil, caption)
    others = every[1] if in_caption else every[0]
    if _nothing_else(negated, affirmative, found.negator) or _affirms(
        affirmative, others, negated, found.negator
    ):
        return "negation", found
    denied = ", ".join(sorted(content(negated, found.negator))) or "nothing that can be told"
    return "scope", OTHER_SCOPE.format(_quoted(more), denied)


def _edited(found: Sequence[Negator], spans: Sequence[range]) -> list[Negator]:
    """The negators of which a word is in an edited span."""
    return [n for n in found if any(place in span for span in spans for place in n.places)]


def _negated(sentence: Words, found: Sequence[Negator]) -> list[frozenset[str]]:
    return [content(sentence, negator) for negator in found]


def _nothing_else(negated: Words, affirmative: Words, negator: Negator) -> bool:
    """Whether, beside the negator, the sentences differ in function words at most."""
    rest = [word for i, word in enumerate(negated) if i not in negator.places]
    if negator.phrase == FUSED:
        rest.insert(negator.places[0], negator.text.removesuffix(FUSED))
    indefinite = INDEFINITE if negator.phrase in PRONOUNS else frozenset()
    return all(
        word in FUNCTION or word in indefinite or not word[:1].isalnum()
        for span in edited_spans(rest, affirmative)
        for word in (*_at(rest, span.first), *_at(affirmative, span.second))
    )


def _affirms(affirmative: Words, others: Sequence[Negator], negated: Words, by: Negator) -> bool:
    """Whether a sentence says, and does not negate, what the other one negates."""
    denied = content(negated, by)
    said = content_words(affirmative, range(len(affirmative)))
    for other in others:
        said -= content(affirmative, other)
    return bool(denied) and denied <= said


def _at(sentence: Words, span: range) -> Words:
    return sentence[span.start : span.stop]


def _quoted(found: Sequence[Negator]) -> str:
    return ", ".join(dict.fromkeys(f"“{negator.text}”" for negator in found))
