"""Checks of what an intervention is told to patch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from numbers import Integral
from typing import Any, TypeGuard

import pandas as pd

from negtrace.errors import InputError
from negtrace.messages import did_you_mean, one_line
from negtrace.models.roles import PADDING, POOLED
from negtrace.vocabulary import BASE_OF, DIFF_ROLES, THERE_ROLES

# Not the vocabulary's records: a role put in other words would rerun every sweep.
ROLES = tuple(dict.fromkeys((*THERE_ROLES, *DIFF_ROLES, PADDING, POOLED)))


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
    if not is_list(sets) or not len(sets):
        raise InputError(
            f"head_sets {one_line(repr(sets))}: give at least one set, such as [[(1, 2), (2, 1)]]"
        )
    for heads in sets:
        if not is_list(heads):
            raise InputError(
                f"head_sets holds {one_line(repr(heads))} where a set of heads should be: nest it "
                "as sets of (block, head) pairs, such as [[(1, 2), (2, 1)]]"
            )
        if not len(heads):
            raise InputError("a set of heads is empty")
        for pair in heads:
            if not (is_list(pair) and len(pair) == 2 and all(map(is_number, pair))):
                raise InputError(
                    f"head_sets holds {one_line(repr(pair))} where a (block, head) pair should be: "
                    "nest it as sets of pairs, such as [[(1, 2), (2, 1)]]"
                )
        if len({tuple(pair) for pair in heads}) < len(heads):
            raise InputError(f"a set names a head twice: {one_line(repr(heads))}")


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, tuple | list)


def is_number(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_layers(layers: object) -> None:
    """None, or layers.

    Raises:
        InputError: anything else.
    """
    if layers is not None and not (is_list(layers) and layers and all(map(is_number, layers))):
        raise InputError(f"layers {one_line(repr(layers))}: give a list of whole numbers")


def check_roles(
    alignment: pd.DataFrame, positions: str | tuple[str, ...], direction: str, each: bool = False
) -> None:
    """Some base sentence has every role that is patched, or the result would be of fewer.

    Args:
        alignment: table of that name.
        positions: of the intervention (`Intervention.at`).
        each: whether every base sentence has to have them.

    Raises:
        InputError: names the role, and those that there are.
    """
    if isinstance(positions, str):
        return
    base = alignment[alignment["polarity"] == BASE_OF[direction]]
    parts = base.groupby("pair_id", sort=False, observed=True) if each else [("", base)]
    for pair_id, rows in parts:
        roles = list(dict.fromkeys(rows["role"].astype(str)))
        for role in positions:
            if role not in roles:
                of = f"of pair {pair_id} has" if each else "of any pair has"
                raise InputError(
                    f"no token of the {BASE_OF[direction]} sentence {of} the role {role}; its "
                    f"roles are {', '.join(roles)}"
                )
