"""Interventions: which activations are replaced together, and by what."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, TypeGuard, get_args

from negtrace.errors import InputError
from negtrace.messages import did_you_mean, one_line
from negtrace.models.roles import PADDING, POOLED
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.sentences import Sentence
from negtrace.patching.sites import SITES, Cell, Site, head_set
from negtrace.vocabulary import DIFF_ROLES, THERE_ROLES

Donor = Literal["source", "random", "zero", "mean", "base", "given"]
# Not the vocabulary's records: a role put in other words would rerun every sweep.
ROLES = tuple(dict.fromkeys((*THERE_ROLES, *DIFF_ROLES, PADDING, POOLED)))

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

    def __post_init__(self) -> None:
        check_choice("site", self.site, SITES)
        check_positions(self.positions)
        if not _is_number(self.window) or self.window < 1:
            raise InputError(f"a window of {self.window!r} blocks: use 1 or more")
        if self.window > 1 and not self.place.windows:
            raise InputError(f"site {self.site} has no windows; use attn_out, mlp_out or head")
        if self.head_sets is not None:
            if self.site != "head" or self.window > 1:
                raise InputError("sets of heads are defined for site head without a window")
            check_head_sets(self.head_sets)
        check_choice("donor", self.donor, get_args(Donor))
        if self.donor != "source" and self.place.same_positions:
            raise InputError(f"site {self.site} can be patched from the source run only")

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
            InputError: a window or a head that the tower does not have.
        """
        if self.window > shape.layers:
            raise InputError(f"a window of {self.window} blocks in a tower of {shape.layers}")
        for block, head in (pair for heads in self.head_sets or () for pair in heads):
            if not (1 <= block <= shape.layers and 1 <= head <= shape.heads):
                raise InputError(f"the tower has no head {head} in block {block}")
        if self.head_sets:
            return [head_set(heads) for heads in self.head_sets]
        return self.place.cells(shape, self.window)

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


def check_choice(what: str, chosen: object, known: Collection[str]) -> None:
    """One of some names.

    Raises:
        InputError: it is none; names the closest, or all.
    """
    if isinstance(chosen, str) and chosen in known:
        return
    hint = did_you_mean(chosen, known) if isinstance(chosen, str) else ""
    raise InputError(f"unknown {what} {one_line(repr(chosen))}{hint} (one of {', '.join(known)})")


def check_positions(positions: object) -> None:
    """None, 'each', 'all', or roles.

    Raises:
        InputError: anything else.
    """
    if positions is None or (isinstance(positions, str) and positions in ("each", "all")):
        return
    if not isinstance(positions, tuple | list) or not positions:
        raise InputError(
            f"positions {one_line(repr(positions))}: use 'each', 'all' or a tuple of roles, such "
            "as ('determiner', 'EOT')"
        )
    for role in positions:
        check_choice("role", role, ROLES)


def check_head_sets(sets: object) -> None:
    """Sets of (block, head) pairs.

    Raises:
        InputError: nothing in it, an empty set, another nesting, or a head twice in a set.
    """
    if not _is_list(sets) or not len(sets):
        raise InputError(
            f"head_sets {one_line(repr(sets))}: give at least one set, such as [[(1, 2), (2, 1)]]"
        )
    for heads in sets:
        if not _is_list(heads):
            raise InputError(
                f"head_sets holds {one_line(repr(heads))} where a set of heads should be: nest it "
                "as sets of (block, head) pairs, such as [[(1, 2), (2, 1)]]"
            )
        if not len(heads):
            raise InputError("a set of heads is empty")
        for pair in heads:
            if not (_is_list(pair) and len(pair) == 2 and all(map(_is_number, pair))):
                raise InputError(
                    f"head_sets holds {one_line(repr(pair))} where a (block, head) pair should be: "
                    "nest it as sets of pairs, such as [[(1, 2), (2, 1)]]"
                )
        if len({tuple(pair) for pair in heads}) < len(heads):
            raise InputError(f"a set names a head twice: {one_line(repr(heads))}")


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, tuple | list)


def _is_number(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
