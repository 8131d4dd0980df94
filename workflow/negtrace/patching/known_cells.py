"""Known cells: patches whose score is, by definition, that of an unpatched run."""

from __future__ import annotations

from typing import Literal

import torch

from negtrace.models.edits import first_difference
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.sentences import Sentence
from negtrace.patching.sites import Site
from negtrace.patching.tails import PositionSet

Known = Literal["base", "source"]


def known_layers(
    site: Site,
    shape: TowerShape,
    place: PositionSet,
    base: Sentence,
    source: Sentence | None,
    pooled: int,
    copied: bool = True,
) -> dict[int, Known]:
    """The layers at which a position set's score is, by definition, that of one of the runs.

    - Before the first difference a causal tower's two runs are one: the base run at every layer.
    - Hidden state 0 is token and place alone.  Tokens that are copied to their own places make of
      the base sentence what the tokens then are: itself or the source sentence, if either.
    - Hidden state L is read out at the pooled position alone: the source run if that is replaced.
      Where the mean over all rows is read out, nothing is known of it.
    - Else the pooled row of the last layer is the base run's, unless it reads what is replaced
      (keys and values of other rows).

    Args:
        source: the source sentence, or None where what replaces has nothing to do with it.
        pooled: pooled position of the base sentence.
        copied: whether activations are the source run's own; one that is only as far from the base
            run's does not move before the first difference either, but makes no source run.
    """
    layers = site.layers(shape)
    last = layers[-1]
    known: dict[int, Known] = {}
    if source:
        first = first_difference(base.tokens, source.tokens)
        if shape.causal and max(place.targets) < first:
            return dict.fromkeys(layers, "base")
    if source and copied and site.counts_hidden_states:
        if place.targets == place.sources:
            tokens = list(base.tokens)
            for position in place.targets:
                tokens[position] = source.tokens[position]
            if tuple(tokens) == source.tokens and _see_alike(shape, base, source):
                known[0] = "source"
            if tuple(tokens) == base.tokens:
                known[0] = "base"
        if pooled in place.targets:
            known[last] = "source"
    if shape.pool == "mean":
        known.pop(last, None)
        return known
    if pooled not in place.targets and not site.read_by_later_rows:
        known[last] = "base"
    return known


def _see_alike(shape: TowerShape, base: Sentence, source: Sentence) -> bool:
    """Whether both sentences hide the same keys; a patch leaves the base sentence's hidden."""
    hidden = (shape.hidden_keys(torch.tensor(s.tokens)) for s in (base, source))
    return torch.equal(*hidden)
