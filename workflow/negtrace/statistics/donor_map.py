"""Donor map: what patching from the pair's own source does, beside the same from another donor.

The same cell of the same base sentence is patched twice, from the pair's own source run and from a
donor's (`donor_sweeps.py`).  Both changes of the score are oriented alike and have the same d:

    ratio_donor = sum(change by the donor) / sum(d)
    beyond      = mean of (change - change by the donor)             [logits]
    share       = sum(change by the donor) / sum(change)

*Placebo*, a source without negation: ratio_donor is what the map shows of selection and of damage
to the base sentence alone, and a cell's own effect goes *beyond* that.  A neutral word moves scores
less than a negation does; only a random direction is as large as the real change.  A placebo that
moves scores the same way whatever the picture has opposite signs in caption and foil items: it
cancels over both, but not within one negation.

*Transfer*, another pair's source: the share is 1 where what the cell carries is generic, a negation
of any noun, and 0 where it is bound to its noun.  That is no placebo: a head that writes one signal
of negation for all nouns has a share of 1.  At the determiner of hidden state 0 it is 1 by
definition, because the two tokens are the same.

Within a segment `beyond` and `share` have no meaning, because d, by which the segment was selected,
belongs to one of the two: exchangeable sources differ there (docs/calibration.md).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from negtrace.errors import InputError
from negtrace.statistics.effect_sizes import (
    DEFAULTS,
    TESTS,
    Options,
    cell_tests,
    with_limits,
)
from negtrace.statistics.map_values import (
    CELL,
    ENDS,
    MAP,
    SUPPORT,
    cluster_sums,
    item_values,
    maps,
    support,
)
from negtrace.vocabulary import ALL, DONORS

BEYOND = [f"beyond{end}" for end in ENDS]
SHARE = [f"share{end}" for end in ENDS]
COLUMNS = [
    *("donor", "negation", "segment", *CELL, "known"),
    *("difference", "difference_donor", *BEYOND, *TESTS, *SHARE),
    *(f"ratio{end}" for end in ENDS),
    *(f"ratio_donor{end}" for end in ENDS),
    *("n", *SUPPORT),
]
PLACE = [*MAP, "layer", "head", "position"]


def donor_map(
    sweep: pd.DataFrame,
    scores: pd.DataFrame,
    donor_sweep: pd.DataFrame | None,
    segments: pd.DataFrame,
    options: Options = DEFAULTS,
) -> pd.DataFrame:
    """Own and donor's effect of every cell, by donor, within every group of items.

    Args:
        sweep, scores, segments: tables of those names, of one model and wording; items that are not
            in `segments` are left out.
        donor_sweep: table of that name, of the same sites and directions; None: of no donor.

    Returns:
        `COLUMNS`, on the values that both sweeps have: means of both changes (logits); over all
        items `beyond` with its interval and sign-flip tests (the family of corrected p-values is
        one map), null in cells that are `known`, and `share`, null where the cell's own change is
        neither known nor significant in the same family; both ratios to d; n (values) and
        `SUPPORT`.  Intervals of what another pair does are over clusters with the partners that
        were drawn.

    Raises:
        InputError: the sweeps have nothing in common; see also `map_values.item_values`.
    """
    empty = pd.DataFrame(columns=COLUMNS)
    if donor_sweep is None or donor_sweep.empty:
        return empty
    values = donor_values(sweep, scores, donor_sweep, segments)
    of_donors = values.groupby(values["donor"].astype(str), sort=False)
    found = dict(iter(of_donors))
    tables = [
        table.assign(donor=name)
        for name in DONORS
        if name in found
        for table in maps_of(found[name], segments, options)
    ]
    return pd.concat(tables, ignore_index=True)[COLUMNS] if tables else empty


def donor_values(
    sweep: pd.DataFrame, scores: pd.DataFrame, donor_sweep: pd.DataFrame, segments: pd.DataFrame
) -> pd.DataFrame:
    """Columns of `map_values.item_values` with the donor and change_donor, by item and cell.

    Raises:
        InputError: the sweeps share no item and cell.
    """
    key = ["item_id", *PLACE]
    plain = {"item_id": object} | dict.fromkeys(MAP, object)
    theirs = donor_sweep[[*key, "donor", "s_patched"]].astype(plain)
    both = sweep.astype(plain).merge(theirs, on=key, suffixes=("", "_donor"), how="inner")
    if both.empty:
        raise InputError(
            "the donors' sweep has no item and cell in common with the study's own; "
            "pass sweeps of one model, wording, site and direction"
        )
    own = item_values(both, scores, segments)
    other = item_values(both.assign(s_patched=both["s_patched_donor"]), scores, segments)
    return own.assign(donor=both.loc[own.index, "donor"], change_donor=other["change"])


def maps_of(
    values: pd.DataFrame, segments: pd.DataFrame, options: Options
) -> Iterator[pd.DataFrame]:
    """One donor's map in every group of items."""
    for negation, segment, part in maps(values, segments):
        own = cluster_sums(part)
        donor = cluster_sums(part.assign(change=part["change_donor"]))
        rest = own._replace(change=own.change - donor.change)
        fractions = {"ratio": (own.change, own.d), "ratio_donor": (donor.change, own.d)}
        tests = dict.fromkeys([*BEYOND, *SHARE, *TESTS], np.nan)
        able = own.by_definition
        if segment == ALL:
            able = able | (cell_tests(own, options).p_fwer <= 1 - options.level)
            fractions["beyond"] = rest.change, own.n
            fractions["share"] = donor.change, own.change
            tests = cell_tests(rest, options)._asdict()
        table = pd.concat([own.cells, support(part)], axis=1).assign(
            negation=negation,
            segment=segment,
            known=own.by_definition,
            difference=own.change.sum(0) / own.n.sum(0),
            difference_donor=donor.change.sum(0) / own.n.sum(0),
            **with_limits(fractions, own.n > 0, options),
            **tests,
        )
        # Of a change that may be 0 no share can be given.
        table.loc[~able | table["share_ci_low"].isna().to_numpy(), SHARE] = np.nan
        yield table
