"""Interventions: which activations are replaced together, and by what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from negtrace.errors import InputError
from negtrace.sentences import Sentence
from negtrace.sites import SITES, Cell, Site, head_set
from negtrace.tower import TowerShape

Donor = Literal["source", "zero", "mean"]

NO_COUNTERPART = "no counterpart in the source sentence"
OTHER_PLACES = "the two sentences' tokens do not stand in the same places"


@dataclass(frozen=True)
class Intervention:
    """One kind of patch or ablation, at every place where a tower has it.

    Attributes:
        site: key of `sites.SITES`.
        positions: ``each`` position for itself, ``all`` at once, or a tuple of roles whose tokens
            are patched at once; None takes the site's own habit.
        window: consecutive blocks that are patched together (sites attn_out, mlp_out, head).
        head_sets: sets of heads, each given as (block, head) pairs, that are patched together
            (site head); empty: every head for itself.
        donor: what replaces the activation: that of the source run, zero, or its mean over all
            sentences of the study at tokens of the same role.

    Raises:
        InputError: the combination is not defined.
    """

    site: str
    positions: str | tuple[str, ...] | None = None
    window: int = 1
    head_sets: tuple[tuple[tuple[int, int], ...], ...] = ()
    donor: Donor = "source"

    def __post_init__(self) -> None:
        if self.site not in SITES:
            raise InputError(f"unknown site {self.site!r}; choose one of {', '.join(SITES)}")
        if isinstance(self.positions, str) and self.positions not in ("each", "all"):
            raise InputError(f"positions {self.positions!r}: use 'each', 'all' or a tuple of roles")
        if self.window < 1:
            raise InputError(f"a window of {self.window} blocks: use 1 or more")
        if self.window > 1 and not self.place.windows:
            raise InputError(f"site {self.site} has no windows; use attn_out, mlp_out or head")
        if self.head_sets and (self.site != "head" or self.window > 1):
            raise InputError("sets of heads are defined for site head without a window")
        if any(not heads for heads in self.head_sets):
            raise InputError("a set of heads is empty")
        if self.donor not in ("source", "zero", "mean"):
            raise InputError(f"donor {self.donor!r}: use source, zero or mean")
        if self.donor != "source" and self.place.same_positions:
            raise InputError(f"site {self.site} can be patched from the source run only")

    @property
    def place(self) -> Site:
        return SITES[self.site]

    @property
    def at(self) -> str | tuple[str, ...]:
        """`positions`, or the site's own habit."""
        return self.positions or self.place.positions

    def cells(self, shape: TowerShape) -> list[Cell]:
        """All cells in a tower.

        Raises:
            InputError: a window or a head that the tower does not have.
        """
        if self.window > shape.layers:
            raise InputError(f"a window of {self.window} blocks in a tower of {shape.layers}")
        for block, head in (pair for heads in self.head_sets for pair in heads):
            if not (1 <= block <= shape.layers and 1 <= head <= shape.heads):
                raise InputError(f"the tower has no head {head} in block {block}")
        if self.head_sets:
            return [head_set(heads) for heads in self.head_sets]
        return self.place.cells(shape, self.window)

    def sources(self, base: Sentence, source: Sentence) -> tuple[int, ...]:
        """For each base position, the position it is patched from, or -1."""
        identity = tuple(range(len(base.tokens)))
        if self.donor != "source":
            return identity
        if self.place.same_positions and (
            base.counterparts != identity or len(base.tokens) != len(source.tokens)
        ):
            return (-1,) * len(base.tokens)
        return base.counterparts

    @property
    def reason(self) -> str:
        """Why a position without a source cannot be patched."""
        return OTHER_PLACES if self.place.same_positions else NO_COUNTERPART
