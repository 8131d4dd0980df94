"""Patches whose result is known beforehand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import TinyModel, alignment_table, items_of, random_images

from negtrace.errors import InputError
from negtrace.models.tower import TextTower
from negtrace.patching import certificate as module
from negtrace.patching.certificate import (
    ARRIVES,
    COLUMNS,
    COMPUTED,
    LEAVES,
    SELF,
    certificate,
    certified,
    self_swaps,
    whole_pairs,
)
from negtrace.patching.interventions import Intervention
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import scores, sentence_embeddings
from negtrace.vocabulary import BASE_OF, SOURCE_OF

SCALE = 30.0
TOLERANCE = 1e-9
PAIRS = [([58, 1, 2, 3, k, 59], [58, 1, 2, 4, k, 59]) for k in range(10, 14)]
INSERTED = ([58, 1, 2, 3, 20, 59], [58, 1, 2, 20, 59])


def study(tiny: TinyModel, pairs=(*PAIRS, INSERTED)) -> SimpleNamespace:
    tower = TextTower(tiny.tower.shape, tiny.tower.weights, {"logit_scale": SCALE})
    alignment, items = alignment_table(list(pairs), tower.shape), items_of(len(pairs), 2)
    return SimpleNamespace(
        tower=tower,
        alignment=alignment,
        items=items,
        images=random_images(items, tower.shape.embed_dim),
    )


def certified_study(of: SimpleNamespace, **options) -> pd.DataFrame:
    table = certified(of.tower, of.alignment, of.items, of.images, **options)
    assert table.columns.tolist() == COLUMNS
    return table.set_index("check")


@pytest.fixture(params=list(SOURCE_OF))
def swept(request, causal):
    """Self-swaps, computed self-swaps, whole swaps and the scores of the pairs."""
    of, direction = study(causal), request.param
    source = SOURCE_OF[direction]
    own = scores(of.items, sentence_embeddings(of.tower, of.alignment), of.images, SCALE)
    same = self_swaps(of.alignment, source), of.items, of.images, self_swaps(own, source)
    assert whole_pairs(of.alignment).tolist() == [f"pair{k}" for k in range(4)]
    whole = of.items[of.items["pair_id"].isin(whole_pairs(of.alignment))].reset_index(drop=True)
    tables = of.alignment, of.items, of.images, own
    itself, everywhere = Intervention("resid", donor="base"), Intervention("resid", "all")
    return (
        sweep(of.tower, *same, "resid", direction, SCALE),
        sweep(of.tower, *tables, itself, direction, SCALE),
        sweep(of.tower, of.alignment, whole, of.images, own, everywhere, direction, SCALE),
        own,
    )


def passed(still, computed, moved, own) -> dict[str, object]:
    table = certificate([still], [computed], [moved], own, TOLERANCE)
    return dict(zip(table["check"], table["passed"].astype(object), strict=True))


def test_the_engine_passes_with_towers_of_any_structure(tiny):
    of = study(tiny)
    table = certified_study(of)
    assert table["passed"].all()
    assert table.loc[SELF, "largest"] <= (0 if tiny.tower.shape.causal else 1e-9)
    for check in (COMPUTED, ARRIVES):
        assert table.loc[check, "largest"] < 1e-9
        assert table.loc[check, "computed"] > 0
    assert table.loc[LEAVES, "smallest"] > 1e-3
    assert table["n_pairs"].unique().tolist() == [5]
    assert table["tolerance"].unique() == pytest.approx([1e-5 * SCALE])


def test_computed_self_swaps_cover_what_the_definitions_fill_in(swept):
    still, computed, *_ = swept
    assert still["known"].all()
    assert (~computed["known"]).mean() > 0.7


def test_a_sample_of_pairs_is_swept(causal):
    of = study(causal)
    few = certified_study(of, pairs=2)
    every = certified_study(of, pairs=5)
    assert few["n_pairs"].iloc[0] == 3  # first and last, and the last of those with whole swaps
    assert (few["cells"] < every["cells"]).all()


def test_pairs_without_whole_swaps_leave_these_checks_open(causal):
    table = certified_study(study(causal, [INSERTED]))
    assert table.loc[[SELF, COMPUTED], "passed"].all()
    assert table.loc[[ARRIVES, LEAVES], "passed"].isna().all()
    assert table.loc[[ARRIVES, LEAVES], "cells"].eq(0).all()


def test_a_patch_that_never_takes_hold_fails(swept):
    still, computed, moved, own = swept
    base = f"s_{BASE_OF[moved['direction'].iloc[0]]}"
    idle = moved.assign(s_patched=own.set_index("item_id").loc[moved["item_id"], base].to_numpy())
    assert passed(still, computed, idle, own) == {
        SELF: True,
        COMPUTED: True,
        ARRIVES: False,
        LEAVES: False,
    }


def test_a_self_swap_that_changes_something_fails(swept):
    still, computed, moved, own = swept
    moves = still.assign(s_patched=still["s_patched"] + 1e-12)
    assert passed(moves, computed, moved, own)[SELF] is False
    moves = computed.assign(s_patched=computed["s_patched"] + 1e-8)
    assert passed(still, moves, moved, own)[COMPUTED] is False


def test_nothing_is_certified_by_no_computed_cell(swept):
    still, computed, moved, own = swept
    assert set(passed(still[:0], computed[:0], moved[:0], own).values()) == {pd.NA}
    filled = passed(still, computed[computed["known"]], moved[moved["known"]], own)
    assert filled == {SELF: True, COMPUTED: pd.NA, ARRIVES: pd.NA, LEAVES: pd.NA}


def test_a_failing_certificate_stops_with_one_line(causal, monkeypatch):
    """An engine that replaces nothing: what every sweep gives is the base run."""

    def idle(tower, alignment, candidates, images, own, intervention, direction, **rest):
        table = sweep(tower, alignment, candidates, images, own, intervention, direction, **rest)
        base = own.set_index("item_id").loc[table["item_id"], f"s_{BASE_OF[direction]}"]
        return table.assign(s_patched=base.to_numpy())

    monkeypatch.setattr(module, "sweep", idle)
    with pytest.raises(InputError, match="“a whole swap gives the source run” does not hold") as e:
        certified_study(study(causal))
    assert "\n" not in str(e.value)
    assert "nothing is swept" in str(e.value)


def test_scores_are_those_of_the_direction(swept):
    *_, moved, own = swept
    found = module.distance(moved.assign(direction="negate"), own, {"negate": "negated"})
    expected = own.set_index("item_id").loc[moved["item_id"], "s_negated"].to_numpy()
    np.testing.assert_allclose(found, np.abs(moved["s_patched"] - expected))
