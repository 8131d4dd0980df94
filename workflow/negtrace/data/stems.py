"""Stems: one form for the forms of an English word, enough to compare two sentences of a pair."""

from __future__ import annotations

import re
from functools import cache

IRREGULAR = {
    **{"people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse"},
    **{"feet": "foot", "teeth": "tooth", "geese": "goose", "knives": "knife", "wolves": "wolf"},
    **{"shelves": "shelf", "leaves": "leaf", "loaves": "loaf", "scarves": "scarf"},
    **{"sat": "sit", "stood": "stand", "held": "hold", "wore": "wear", "worn": "wear"},
    **{"ran": "run", "rode": "ride", "ate": "eat", "eaten": "eat"},
}


@cache
def stem(word: str) -> str:
    """A word without the endings of plural, person, participle and possession."""
    word = word.removesuffix("'s").removesuffix("'")
    if word in IRREGULAR:
        return _ended(IRREGULAR[word])
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) > 2 and re.search(r"[aeiouy]", base):
            return _ended(re.sub(r"([bdgmnprt])\1$", r"\1", base))
    if word.endswith(("ches", "shes", "sses", "xes", "zes", "oes")):
        return _ended(word[:-2])
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        return _ended(word[:-1])
    return _ended(word)


def _ended(word: str) -> str:
    """One spelling of an ending: "rid" for "ride" and "riding", "cooki" for "cookie"."""
    word = re.sub(r"(?<=[^aeiou])(ie|y)$", "i", word)
    return word[:-1] if word.endswith("e") and len(word) > 3 else word
