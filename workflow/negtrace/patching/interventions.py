"""Interventions: which activations are replaced together, and by what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, get_args

from negtrace.errors import InputError
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.intervention_checks import (
    check_choice,
    check_head_sets,
    check_layers,
    check_positions,
    is_number,
)
from negtrace.patching.sentences import Sentence
from negtrace.patching.sites import SITES, Cell, Site, head_set
from negtrace.study.combinations import check_combination

Donor = Literal["source", "random", "zero", "mean", "base", "given"]

NO_COUNTERPART = "no counterpart in the source sentence"
OTHER_PLACES = "the two sentences' tokens do not stand in the same places"


@dataclass(frozen=True)
class Intervention:
    """One kind of patch or ablation, at every place where a tower has it.

    Attributes:
        site: key of `sites.SITES`.
        positions: ``each`` position for itself, ``all`` at once, or a tuple of roles (see
            `alignment.py`) whose tokens are patched at once; None takes the site's own habit.
        window: consecutive blocks that are patched together (sites attn_out, mlp_out, head).
        head_sets: sets of heads, each given as (block, head) pairs, that are patched together
            (site head); None: every head for itself.
        heads: the only heads that are patched, each for itself, as (block, head); None: all.
        layers: the only hidden states, blocks or first blocks of windows; None: all.
        donor: what replaces the activation: that of the source run, the base run's moved as far as
            by the source run but in a random direction, zero, its mean at tokens of the same role,
            over both sentences of every distinct pair that is swept with it, itself (``base``: a
            no-op that is computed all the same, see `certificate.py`), or that of a run which the
            caller makes of both (``given``, see `restoration.sweep`).
        seed: of random directions.

    Raises:
        InputError: the combination is not defined.
    """

    site: str
    positions: str | tuple[str, ...] | None = None
    window: int = 1
    head_sets: tuple[tuple[tuple[int, int], ...], ...] | None = None
    donor: Donor = "source"
    seed: int = 0
    heads: tuple[tuple[int, int], ...] | None = None
    layers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_choice("site", self.site, SITES)
        check_positions(self.positions)
        if not is_number(self.window) or self.window < 1:
            raise InputError(f"a window of {self.window!r} blocks: use 1 or more")
        check_choice("donor", self.donor, get_args(Donor))
        if self.head_sets is not None:
            check_head_sets(self.head_sets)
        if self.heads is not None:
            check_head_sets([self.heads])
        check_layers(self.layers)
        check_combination(
            self.site, self.window, self.heads, self.head_sets, self.layers, self.donor
        )

    @property
    def place(self) -> Site:
        return SITES[self.site]

    @property
    def ignores_source(self) -> bool:
        """Whether what replaces the activation has nothing to do with the source run."""
        return self.donor in ("zero", "mean", "base")

    @property
    def at(self) -> str | tuple[str, ...]:
        """`positions`, or the site's own habit."""
        return self.positions or self.place.positions

    def cells(self, shape: TowerShape) -> list[Cell]:
        """All cells in a tower.

        Raises:
            InputError: a window, a layer or a head that the tower does not have.
        """
        if self.window > shape.layers:
            raise InputError(f"a window of {self.window} blocks in a tower of {shape.layers}")
        for block, head in (*(self.heads or ()), *chain(*(self.head_sets or ()))):
            if not (1 <= block <= shape.layers and 1 <= head <= shape.heads):
                raise InputError(f"the tower has no head {head} in block {block}")
        if self.head_sets:
            return [head_set(heads) for heads in self.head_sets]
        cells = self.place.cells(shape, self.window)
        for layer in self.layers or ():
            if layer not in {cell.layer for cell in cells}:
                raise InputError(
                    f"site {self.site} has no layer {layer} here: use {cells[0].layer} to "
                    f"{cells[-1].layer}"
                )
        heads = {tuple(pair) for pair in self.heads or ()}
        kept = [
            cell
            for cell in cells
            if (self.layers is None or cell.layer in self.layers)
            and (self.heads is None or (cell.layer, cell.head) in heads)
        ]
        if not kept:
            raise InputError("none of the heads is in one of the layers")
        return kept

    def sources(self, base: Sentence, source: Sentence) -> tuple[int, ...]:
        """For each base position, the position it is patched from, or -1."""
        identity = tuple(range(len(base.tokens)))
        if self.ignores_source:
            return identity
        if self.donor in ("random", "given"):
            moved = zip(identity, base.counterparts, strict=True)
            return tuple(place if origin >= 0 else -1 for place, origin in moved)
        if self.place.same_positions and (
            base.counterparts != identity or len(base.tokens) != len(source.tokens)
        ):
            return (-1,) * len(base.tokens)
        return base.counterparts

    @property
    def reason(self) -> str:
        """Why a position without a source cannot be patched."""
        return OTHER_PLACES if self.place.same_positions else NO_COUNTERPART


def as_intervention(kind: str | Intervention) -> Intervention:
    """An intervention, or the one that a site's name stands for."""
    return kind if isinstance(kind, Intervention) else Intervention(kind)


def named(site: str, entry: Mapping[str, Any] | None) -> Intervention:
    """An intervention of a study's configuration, or a site as it is.

    Args:
        site: its name; that of the intervention, if it is one.
        entry: its entry under ``interventions``, with heads as "block.head".
    """
    if not entry:
        return Intervention(site)
    options = {key: value for key, value in entry.items() if key not in ("heads", "head_sets")}
    for key in ("positions", "layers"):
        if isinstance(options.get(key), list):
            options[key] = tuple(options[key])
    if "heads" in entry:
        options["heads"] = heads_of(entry["heads"])
    if "head_sets" in entry:
        options["head_sets"] = tuple(map(heads_of, entry["head_sets"]))
    return Intervention(**options)


def heads_of(names: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """Heads as (block, head), from their names such as "1.2"."""
    pairs = (name.split(".") for name in names)
    return tuple((int(block), int(head)) for block, head in pairs)
