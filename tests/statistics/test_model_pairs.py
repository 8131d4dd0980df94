"""Two models beside each other, on tables that are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from atlas_runs import OPTIONS, run_of

from negtrace.errors import InputError
from negtrace.statistics.model_pairs import (
    base_difference,
    coefficient_of_identity,
    common,
    head_matches,
)

STATES = {"determiner": [1, 0, 0], "EOT": [0, 0.5, 1]}
HEADS = {(1, 1): 0.6, (1, 2): 0.0, (2, 1): 0.1}
LOOKED = {(1, 1): 0.8, (1, 2): 0.0, (2, 1): 0.3}


def test_the_coefficient_of_identity():
    profiles = np.array([[3.0, 4.0], [0.0, 0.0], [6.0, 8.0], [-3.0, -4.0], [4.0, -3.0]])
    found = coefficient_of_identity(profiles, profiles)
    assert found[0] == pytest.approx([1, 0, 2 * 50 / 125, -1, 0])
    assert (found == found.T).all()


def test_heads_are_matched_by_what_they_do_wherever_they_are():
    """The other model does in head 2 of block 2 what the reference does in head 1 of block 1."""
    reference = run_of(STATES, HEADS, LOOKED)
    moved = {(1, 1): (2, 2), (1, 2): (1, 1), (2, 1): (2, 1)}
    other = run_of(
        STATES,
        {moved[place]: share for place, share in HEADS.items()} | {(1, 2): 0.05},
        {moved[place]: weight for place, weight in LOOKED.items()} | {(1, 2): 0.1},
    )
    table = head_matches(other, reference, "head.negate", OPTIONS).set_index(
        ["reference_layer", "reference_head"]
    )
    row = table.loc[1, 1]
    assert (row["layer"], row["head"]) == (2, 2)
    assert row["identity"] == pytest.approx(1)
    assert (row["share"], row["mutual"]) == (1, True)
    best = 2 * (0.6 * 0.1 + 0.8 * 0.3) / (0.36 + 0.64 + 0.01 + 0.09)
    assert row["second"] == pytest.approx(best)  # head 1 of block 2
    assert tuple(table.loc[2, 1][["layer", "head"]]) == (2, 1)
    assert table.loc[(1, 2), "identity"] == 0


def test_a_match_in_noise_is_no_sure_one():
    flat = dict.fromkeys(HEADS, 0.2)
    looked = dict.fromkeys(HEADS, 0.2)
    reference = run_of(STATES, flat, looked, noise=0.3)
    table = head_matches(
        run_of(STATES, flat, looked, noise=0.3, seed=1), reference, "head.negate", OPTIONS
    )
    assert (table["share"] < 0.9).all()
    inside = (table["identity_ci_low"] <= table["identity"]) & (table["identity"] <= 1)
    assert inside.all()


def test_where_a_model_has_no_effect_no_head_is_matched():
    reference, none = run_of(STATES, HEADS, LOOKED), run_of(STATES, HEADS, LOOKED, wrong=6)
    assert head_matches(none, reference, "head.negate", OPTIONS).empty


def test_what_fine_tuning_changed():
    base = run_of(STATES, HEADS, noise=0.05)
    tuned = run_of(STATES, {**HEADS, (1, 1): 0.2, (2, 1): 0.5}, noise=0.05, seed=1)
    table = base_difference(tuned, base, "head.negate", OPTIONS).set_index(["layer", "head"])
    assert table["difference"].to_numpy() == pytest.approx([-0.4, 0, 0.4], abs=0.1)
    assert table["difference"].to_numpy() == pytest.approx(table["ratio"] - table["ratio_base"])
    assert (table["difference_ci_low"] <= table["difference"]).all()
    assert (table["difference"] <= table["difference_ci_high"]).all()
    assert (table["p_fwer"] <= 0.05).tolist() == [True, False, True]
    turned = base_difference(base, tuned, "head.negate", OPTIONS).set_index(["layer", "head"])
    assert turned["difference"].to_numpy() == pytest.approx(-table["difference"].to_numpy())
    assert turned["p"].to_numpy() == pytest.approx(table["p"].to_numpy())


def test_a_model_does_not_differ_from_itself_in_noise_that_both_have():
    """Paired: what items have in common cancels, whatever it is."""
    run = run_of(STATES, HEADS, noise=0.5)
    table = base_difference(run, run, "head.negate", OPTIONS)
    assert (table["difference"] == 0).all()
    assert (table["p"] == 1).all()
    assert (table["difference_ci_high"] - table["difference_ci_low"] < 1e-12).all()


def test_a_scale_of_scores_makes_no_difference():
    """Twice the logits are the same shares."""
    base = run_of(STATES, HEADS, noise=0.1)
    scores = base.scores.assign(
        s_negated=2 * base.scores["s_negated"], s_affirmative=10.0, d=2 * base.scores["d"]
    )
    sweeps = {
        name: table.assign(s_patched=2 * table["s_patched"]) for name, table in base.sweeps.items()
    }
    segments = base.segments.assign(d=2 * base.segments["d"])
    twice = base._replace(sweeps=sweeps, scores=scores, segments=segments)
    table = base_difference(twice, base, "head.negate", OPTIONS)
    assert table["difference"].abs().max() < 1e-9
    assert (table["p"] == 1).all()


def test_without_an_effect_no_difference_is_given():
    base, none = run_of(STATES, HEADS), run_of(STATES, HEADS, wrong=6)
    table = base_difference(none, base, "resid.negate", OPTIONS)
    assert table[["difference", "difference_ci_low", "p"]].isna().all(axis=None)


def test_models_of_different_shape_are_refused():
    with pytest.raises(InputError, match="differ in blocks or heads"):
        base_difference(
            run_of(STATES, HEADS), run_of(STATES, {**HEADS, (3, 1): 0.1}), "head.negate", OPTIONS
        )


def test_models_are_compared_over_the_items_that_both_read():
    one, other = run_of(STATES, HEADS), run_of(STATES, HEADS, items=8)
    linked = other.segments.assign(cluster_id=["item00", "item00", *other.segments["pair_id"][2:]])
    found, kept = common(one, other._replace(segments=linked))
    assert len(found.segments) == len(kept.segments) == 8
    assert found.segments["cluster_id"].tolist() == linked["cluster_id"].tolist()
    table = base_difference(one, other._replace(segments=linked), "head.negate", OPTIONS)
    assert set(table["n_clusters"]) == {7}
    assert set(table["n_items"]) == {8}
    apart = other.segments.assign(item_id=[f"x{number}" for number in range(8)])
    with pytest.raises(InputError, match="no item in common"):
        common(one, other._replace(segments=apart))
