"""Planted circuits: CLIP models that process negation where we say.  Does negtrace find it?

The positive control of the method: where a circuit is planted, what patching it should then
restore (`expected`), and what it does (`found`).  `planted_model.py` writes the weights.

Two heads move one flag through the sentence::

    "no"  --head `first`-->  carrier  --head `second`-->  EOT

The carrier is the token "." or the position behind the determiner.  A patch should restore all of
the effect where the flag is, and nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import pandas as pd

from negtrace.errors import InputError
from negtrace.vocabulary import ALL, THERE_ROLES

Carrier = Literal["subject_first", "full_stop"]
Place = tuple[int, int]  # block and head, both numbered from 1

# Smallest restoration, by the lower limit of its interval, that counts as found.
LEAST = 0.1


@dataclass(frozen=True)
class Plant:
    """What is planted where.

    Attributes:
        first: (block, head) that moves the negator's flag to the carrier.
        second: (block, head) that moves it on to EOT, in a later block.
        carrier: role of the token in between, of sentences "There is/are no ...".
        layers, heads, width: of the text tower.
        seed: of everything random, the image encoder included.
        strength: length of a marker or flag, in units of sqrt(width), about a token's length.
        noise: size of what a random head or MLP writes, in the same units.

    Raises:
        InputError: there is no such place, or no room for the circuit.
    """

    first: Place
    second: Place
    carrier: Carrier = "subject_first"
    layers: int = 6
    heads: int = 4
    width: int = 64
    seed: int = 0
    strength: float = 0.5
    noise: float = 0.05

    def __post_init__(self) -> None:
        for name, (block, head) in (("first", self.first), ("second", self.second)):
            if not (1 <= block <= self.layers and 1 <= head <= self.heads):
                raise InputError(
                    f"{name}: there is no head {head} in block {block} of a tower of "
                    f"{self.layers} blocks x {self.heads} heads"
                )
        if self.first[0] >= self.second[0]:
            raise InputError(
                f"first: block {self.first[0]} must come before that of second, {self.second[0]}"
            )
        if self.carrier not in ("subject_first", "full_stop"):
            raise InputError(f"carrier {self.carrier!r}: use subject_first or full_stop")
        if self.width % self.heads or self.width < max(32, 4 * self.heads):
            raise InputError(
                f"width {self.width}: use a multiple of the {self.heads} heads, "
                f"{max(32, 4 * self.heads)} or more"
            )
        if self.strength <= 0 or self.noise < 0:
            raise InputError("strength must be positive, and noise not negative")

    @property
    def flag_size(self) -> float:
        """Length of a marker or flag in the residual stream."""
        return self.strength * sqrt(self.width)


def plant_of(values: Mapping[str, Any]) -> Plant:
    """The plant that a model's entry in the configuration describes, keys as the attributes.

    Raises:
        InputError: the values make no plant.
    """
    try:
        return Plant(**{**values, **{name: tuple(values[name]) for name in ("first", "second")}})
    except (KeyError, TypeError) as error:
        raise InputError(f"{dict(values)} does not describe a plant ({error})") from error


def expected(plant: Plant) -> pd.DataFrame:
    """What patching a cell of a "There is/are" sentence should restore: all or nothing.

    The flag lies at the determiner in hidden states 0 to l1 - 1, at the carrier in l1 to l2 - 1 and
    at EOT from l2 on; outputs of attention hold it where the two heads write it, MLPs never.

    Returns:
        every cell of the sites resid, attn_out, mlp_out and head, for sentences of the same number
        of tokens: columns site, layer, head (null but for heads), role, restoration (0.0 or 1.0).
    """
    (l1, h1), (l2, h2) = plant.first, plant.second
    flagged = {
        "resid": {
            *((layer, "determiner") for layer in range(l1)),
            *((layer, plant.carrier) for layer in range(l1, l2)),
            *((layer, "EOT") for layer in range(l2, plant.layers + 1)),
        },
        "attn_out": {(l1, plant.carrier), (l2, "EOT")},
        "mlp_out": set(),
    }
    rows: list[tuple[str, int, int | None, str, float]] = [
        (site, layer, None, role, float((layer, role) in cells))
        for site, cells in flagged.items()
        for layer in range(site != "resid", plant.layers + 1)
        for role in THERE_ROLES
    ]
    rows += [
        ("head", layer, head, "all", float((layer, head) in ((l1, h1), (l2, h2))))
        for layer in range(1, plant.layers + 1)
        for head in range(1, plant.heads + 1)
    ]
    frame = pd.DataFrame(rows, columns=["site", "layer", "head", "role", "restoration"])
    return frame.astype({"layer": "int16", "head": "Int16"})


def found(
    cells: pd.DataFrame, maps: Iterable[pd.DataFrame], segment: str, alpha: float
) -> pd.DataFrame:
    """Which cells patching finds, beside those that were planted.

    A cell is found if it differs significantly from 0 (family-wise) and its interval lies above
    `LEAST`: random heads carry a little of anything, which with enough items is significant too.
    Cells that are known by definition are not to be found.

    Args:
        cells: see `expected`.
        maps: ``restoration_map`` of some of the sites, in one direction.
        segment: which items.  The planted image encoder sees brightness, not content, so that d
            is as often negative: over all items the effects of the circuit cancel.
        alpha: level of the family-wise error.

    Returns:
        a row per expected and computed cell of these sites, over both negations: site, layer, head,
        role, planted, found (bool), ratio, ratio_ci_low, ratio_ci_high, p_fwer.
    """
    table = pd.concat(maps, ignore_index=True).astype({"head": "Int16", "site": str, "role": str})
    table = table[(table["negation"] == ALL) & (table["segment"] == segment)]
    table = table[~table["known"]]
    both = cells.merge(table, on=["site", "layer", "head", "role"])
    # A segment has intervals only.
    significant = ~(both["p_fwer"] > alpha) & (both["ratio_ci_low"] > LEAST)
    both = both.assign(planted=both["restoration"] == 1, found=significant)
    measured = ["ratio", "ratio_ci_low", "ratio_ci_high", "p_fwer"]
    return both[["site", "layer", "head", "role", "planted", "found", *measured]]
