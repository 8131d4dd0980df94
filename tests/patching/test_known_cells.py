"""Cells that are not computed: what they are by definition, layer by layer."""

from __future__ import annotations

import pytest
from conftest import EOT, SOT

from negtrace.models.tower_shape import TowerShape
from negtrace.patching.known_cells import known_layers
from negtrace.patching.sentences import Sentence
from negtrace.patching.sites import SITES
from negtrace.patching.tails import PositionSet


def shape(**conventions) -> TowerShape:
    return TowerShape(8, 2, 3, 8, 14, 60, 8, **conventions)


def sentence(*tokens: int) -> Sentence:
    return Sentence(tokens, ("word",) * len(tokens), tuple(range(len(tokens))))


BASE, SOURCE = sentence(SOT, 1, 2, 5, EOT), sentence(SOT, 1, 3, 5, EOT)
TWO_EDITS = sentence(SOT, 1, 3, 6, EOT)
ALL = range(5)


def known(site: str, *targets: int, source=SOURCE, sources=None, **conventions) -> dict:
    sources = targets if sources is None else sources
    place = PositionSet(0, targets[0], targets, tuple(sources))
    return known_layers(SITES[site], shape(**conventions), place, BASE, source, 4)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        # Before the first difference nothing changes at all, after it all that is computed.
        (known("resid", 1), dict.fromkeys(range(4), "base")),
        (known("head", 0, 1), dict.fromkeys(range(1, 4), "base")),
        (known("resid", 2), {0: "source", 3: "base"}),
        (known("resid", 3), {0: "base", 3: "base"}),
        (known("resid", 4), {0: "base", 3: "source"}),
        (known("resid", *ALL), {0: "source", 3: "source"}),
        # One of two edits makes neither sentence, nor do tokens from other places.
        (known("resid", 2, source=TWO_EDITS), {3: "base"}),
        (known("resid", 2, 3, source=TWO_EDITS), {0: "source", 3: "base"}),
        (known("resid", 3, sources=(2,)), {3: "base"}),
        # Blocks: the last one's pooled row reads itself, and keys and values of all rows.
        (known("attn_out", 3), {3: "base"}),
        (known("attn_out", 4), {}),
        (known("q", 3), {3: "base"}),
        (known("k", 3), {}),
        (known("v", 3), {}),
        (known("pattern", *ALL), {}),
        # Every row of a tower without a causal mask sees the difference.
        (known("resid", 1, causal=False), {0: "base", 3: "base"}),
        (known("head", 1, causal=False), {3: "base"}),
        # Zeros and means are no run.
        (known("resid", 1, source=None), {3: "base"}),
        (known("resid", 4, source=None), {}),
        (known("v", 1, source=None), {}),
    ],
)
def test_known_layers(found, expected):
    assert found == expected
