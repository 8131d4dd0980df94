"""Effect sizes: worked by hand, against `restoration_map`, and what must not change them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from negtrace.errors import InputError
from negtrace.statistics.effect_sizes import ESTIMATES, Options, effect_map
from negtrace.statistics.groups import restoration_map, segments
from negtrace.statistics.map_values import CELL, item_values

THRESHOLDS = {"incorrect_below": -1.0, "correct_from": 1.0}
QUICK = Options(replicates=200, flips=200)
KEYS = ["negation", "segment", *CELL]
EDGE = 0.0, 1.0  # shares of cells that are known by definition


def scores_of(items: pd.DataFrame, d: np.ndarray, s_foil: np.ndarray) -> pd.DataFrame:
    """Table ``scores`` of items with the columns item_id, pair_id, negation."""
    s_caption = s_foil + d
    in_caption = items["negation"] == "caption"
    return items.assign(
        s_negated=np.where(in_caption, s_caption, s_foil),
        s_affirmative=np.where(in_caption, s_foil, s_caption),
        d=s_caption - s_foil,
    )


def sweep_of(scores: pd.DataFrame, patched: pd.DataFrame, direction: str) -> pd.DataFrame:
    """Table ``sweep`` from rows with item_id, layer, head, role and restoration or s_patched."""
    rows = patched.merge(scores, on="item_id", validate="many_to_one")
    base, source = rows["s_affirmative"], rows["s_negated"]
    if direction == "affirm":
        base, source = source, base
    if "s_patched" not in rows:
        share = rows["restoration"]
        rows["s_patched"] = np.where(share == 1, source, base + share * (source - base))
    token = rows.groupby(["item_id", "layer", "head", "role"], dropna=False).cumcount()
    return rows.assign(
        position=token + 10 * rows["role"].astype("category").cat.codes,
        site="resid",
        direction=direction,
        head=pd.array(rows["head"], dtype="Int16"),
        eligible=rows["s_patched"].notna(),
        known=rows.get("known", False),
        restoration=(rows["s_patched"] - base) / (source - base),
    )[["item_id", "pair_id", *CELL, "position", "eligible", "known", "s_patched", "restoration"]]


def study(pairs: int = 12, direction: str = "negate", seed: int = 0, effects=(0.5, 0.0)):
    """Sweep, scores and segments of a study with two roles, one of them of 0 to 2 tokens.

    Hidden states 0 and 1 are known: base and source.  The others have the given effects and noise.
    """
    rng = np.random.default_rng(seed)
    pair = np.repeat(np.arange(pairs), rng.integers(1, 4, pairs))
    items = pd.DataFrame(
        {
            "item_id": [f"i{n}" for n in range(len(pair))],
            "pair_id": [f"p{n:02}" for n in pair],
            "negation": rng.choice(["caption", "foil"], len(pair)),
        }
    )
    d = rng.normal(2, 1.5, len(pair))
    scores = scores_of(items, d, rng.normal(0, 3, len(pair)))
    noise = rng.normal(0, 0.3, (pairs, len(effects)))[pair]
    patched = [
        {"item_id": item, "layer": layer, "head": pd.NA, "role": role, "restoration": share}
        | {"known": layer < len(EDGE)}
        for row, item in enumerate(items["item_id"])
        for role, tokens in (("EOT", 1), ("subject_rest", pair[row] % 3))
        for _ in range(tokens)
        for layer, share in enumerate((*EDGE, *(effects + noise[row] + rng.normal(0, 0.1))))
    ]
    sweep = sweep_of(scores, pd.DataFrame(patched), direction)
    return sweep, scores, segments(scores, items, THRESHOLDS)


@pytest.fixture
def worked():
    """Four items in which a patch of layer 1 brings back 0.5, 0.5, 1.5 and 0.25 of d."""
    items = pd.DataFrame(
        {
            "item_id": list("abcd"),
            "pair_id": list("pqqr"),
            "negation": ["caption", "foil", "caption", "foil"],
        }
    )
    scores = scores_of(items, np.array([4.0, 2.0, 2.0, -2.0]), np.array([1.0, 5.0, 0.0, 7.0]))
    patched = items[["item_id"]].assign(layer=1, head=pd.NA, role="EOT")
    return items, scores, patched.assign(restoration=[0.5, 0.5, 1.5, 0.25])


@pytest.mark.parametrize("direction", ["negate", "affirm"])
def test_estimates_worked_by_hand(worked, direction):
    items, scores, patched = worked
    sweep = sweep_of(scores, patched, direction)
    table = effect_map(sweep, scores, segments(scores, items, THRESHOLDS), QUICK)
    table = table.set_index(["negation", "segment"])
    everything = table.loc[("all", "all")]
    # Changes 2, 1, 3, -0.5 of effects 4, 2, 2, -2; only the third goes past the other sentence.
    assert everything["ratio"] == pytest.approx(5.5 / 6)
    assert everything["mean"] == pytest.approx(2.75 / 4)
    assert everything["difference"] == pytest.approx(5.5 / 4)
    assert everything["flip_rate"] == pytest.approx(1 / 4)
    assert everything[["n", "n_items", "n_pairs"]].tolist() == [4, 4, 3]
    assert table.loc[("caption", "all"), "ratio"] == pytest.approx(5 / 6)
    assert table.loc[("foil", "correct"), "difference"] == pytest.approx(1)
    assert table.loc[("all", "incorrect"), "ratio"] == pytest.approx(0.25)


def test_classification_flips_when_the_patched_score_takes_the_base_sentences_place(worked):
    """From the scores of the two sentences themselves, ties included."""
    items, scores, _ = worked
    # From 4, 2 and 2 on the other sentence is reached; 1.99999 is a tie but for rounding.
    moves = {"a": [-0.1, 0, 3.9], "b": [2, 2.1, 1.99999], "d": [1, 2.2, -1]}
    cells = [
        {"item_id": item, "layer": layer, "restoration": r / {"a": 4, "b": 2, "d": 2}[item]}
        for item, values in moves.items()
        for layer, r in enumerate(values)
    ]
    sweep = sweep_of(scores, pd.DataFrame(cells).assign(head=pd.NA, role="EOT"), "negate")
    values = item_values(sweep, scores, segments(scores, items, THRESHOLDS))
    joined = values.assign(s_patched=sweep["s_patched"]).merge(
        scores.drop(columns=["pair_id", "d"]), on="item_id"
    )
    in_caption = joined["negation"] == "caption"  # the base, affirmative sentence is the foil
    caption = np.where(in_caption, joined["s_negated"], joined["s_patched"])
    foil = np.where(in_caption, joined["s_patched"], joined["s_negated"])
    before, after = np.sign(joined["d"]), np.sign(np.round(caption - foil, 4))
    assert joined["flipped"].astype(bool).tolist() == (before != after).tolist()
    assert joined["flipped"].sum() == 4


@pytest.mark.parametrize("direction", ["negate", "affirm"])
def test_negations_do_not_cancel(direction):
    """Without orientation the changes of both kinds of item would have opposite signs."""
    sweep, scores, items = study(40, direction, effects=(0.5, 0.5))
    table = effect_map(sweep, scores, items, QUICK)
    table = table[(table["layer"] == 2) & (table["role"] == "EOT")]
    table = table.set_index(["negation", "segment"])
    for negation in ("caption", "foil", "all"):
        assert table.loc[(negation, "correct"), "ratio"] == pytest.approx(0.5, abs=0.15)
        assert table.loc[(negation, "correct"), "difference"] > 0.5


def test_agrees_with_restoration_map():
    sweep, scores, items = study(15)
    sweep.loc[3, ["restoration", "s_patched"]] = np.nan  # a value that has no R
    sweep.loc[8, "eligible"] = False
    sweep = pd.concat([sweep, sweep.assign(site="head", head=2, role="all")], ignore_index=True)
    sweep = sweep.astype({name: "category" for name in ("item_id", "pair_id", "site", "role")})
    expected = restoration_map(sweep, items)
    found = effect_map(sweep, scores, items, QUICK)
    shared = ["mean", "sd", "n", "n_items", "n_pairs"]
    both = expected.merge(found, on=KEYS, suffixes=("", "_found"), validate="one_to_one")
    assert len(both) == len(expected) == len(found)
    for name in shared:
        np.testing.assert_allclose(both[name], both[f"{name}_found"], rtol=1e-12, atol=1e-14)
    assert both["n"].max() > both["n_items"].max() > both["n_pairs"].max()


@pytest.mark.parametrize("method", ["percentile", "bca", "flip"])
def test_intervals_surround_their_estimates(method):
    options = Options(replicates=500, flips=500, method=method)
    table = effect_map(*study(60), options)
    table = table[(table["segment"] == "correct") & (table["layer"] > 1)]
    assert len(table) == 12
    for name in ("ratio", "mean", "difference"):
        assert (table[f"{name}_ci_low"] < table[name]).all()
        assert (table[name] < table[f"{name}_ci_high"]).all()
    shares = table[["flip_rate_ci_low", "flip_rate", "flip_rate_ci_high"]]
    assert (shares.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert shares.to_numpy().min() >= 0


def test_known_cells():
    """0 and 1 by definition have no test, 1 has intervals of no width."""
    sweep, scores, items = study(30)
    sweep.loc[sweep["layer"] < 2, "s_patched"] += 1e-5
    table = effect_map(sweep, scores, items, QUICK)
    segment = table[(table["segment"] == "correct") & (table["layer"] > 1)]
    assert segment["ratio_ci_low"].notna().any()
    assert segment[["p", "p_fwer", "q_fdr"]].isna().all(axis=None)
    table = table[table["segment"] == "all"]
    nothing, everything = (table[table["layer"] == layer] for layer in (0, 1))
    for cells in (nothing, everything):
        assert cells["known"].all()
        assert cells[["p", "p_fwer", "q_fdr"]].isna().all(axis=None)
    assert not table.loc[table["layer"] > 1, "known"].any()
    assert table.loc[table["layer"] > 1, "p_fwer"].notna().all()
    np.testing.assert_allclose(nothing[list(ESTIMATES)], 0, atol=2e-5)
    for name in ("ratio", "mean"):
        for end in ("", "_ci_low", "_ci_high"):
            np.testing.assert_allclose(everything[f"{name}{end}"], 1, rtol=1e-4)
    without = effect_map(sweep[sweep["layer"] > 1], scores, items, QUICK)
    left = effect_map(sweep, scores, items, QUICK)
    left = left[left["layer"] > 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(left, without)


def test_pairs_are_the_units():
    """Three times the same items in every pair tell nothing new."""
    sweep, scores, items = study(20)

    def thrice(table: pd.DataFrame) -> pd.DataFrame:
        copies = [table.assign(item_id=table["item_id"] + end) for end in ("", "_2", "_3")]
        return pd.concat(copies, ignore_index=True)

    once = effect_map(sweep, scores, items, QUICK)
    more = effect_map(thrice(sweep), thrice(scores), thrice(items), QUICK)
    assert (more["n_items"] == 3 * once["n_items"]).all()
    limits = [c for c in once if c.endswith(("_low", "_high"))]
    same = ["n_pairs", "n_effective", "few_clusters", *limits, "p", "p_fwer", "q_fdr"]
    # An interval for rare events takes values of one pair for equal only as far as they are.
    same = [c for c in same if not c.startswith("flip_rate")]
    pd.testing.assert_frame_equal(more[same], once[same])


def test_no_interval_from_fewer_than_six_pairs():
    for pairs, some in ((5, False), (6, True)):
        sweep, scores, items = study(pairs, seed=4)
        table = effect_map(sweep, scores, items, QUICK)
        row = table[(table["negation"] == "all") & (table["segment"] == "all")].query(
            "layer == 2 and role == 'EOT'"
        )
        assert row["n_pairs"].item() == pairs
        assert row["difference_ci_low"].notna().item() == some
        assert row["ratio"].notna().item()


def test_cells_are_resampled_with_the_pairs_that_have_them():
    """The interval of a role that not every pair has is the one it has alone."""
    sweep, scores, items = study(40)
    table = effect_map(sweep, scores, items, QUICK)
    alone = effect_map(sweep[sweep["role"] == "subject_rest"], scores, items, QUICK)
    limits = [name for name in table if name.endswith(("_low", "_high"))]
    part = table[table["role"] == "subject_rest"].reset_index(drop=True)
    pd.testing.assert_frame_equal(part[limits], alone[limits])
    assert part["n_pairs"].max() < table["n_pairs"].max()


def test_order_of_rows_does_not_matter():
    sweep, scores, items = study(20)
    shuffled = sweep.sample(frac=1, random_state=1), scores[::-1], items[::-1]
    found, expected = (
        effect_map(*tables, QUICK).sort_values(KEYS, ignore_index=True)
        for tables in (shuffled, (sweep, scores, items))
    )
    pd.testing.assert_frame_equal(found, expected)


def test_maps_are_families_of_their_own():
    """Another site does not change the corrected p-values of the first."""
    sweep, scores, items = study(20, effects=(0.1, 0.0))
    mixed = np.random.default_rng(0).permutation(sweep["s_patched"])
    other = sweep.assign(site="mlp_out", s_patched=mixed)
    both = effect_map(pd.concat([sweep, other], ignore_index=True), scores, items, QUICK)
    first = both[both["site"] == "resid"].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, effect_map(sweep, scores, items, QUICK))
    assert ((first["p_fwer"] > first["p"]) & (first["p_fwer"] < 1)).any()


def test_nothing_to_average_gives_an_empty_table():
    sweep, scores, items = study(8)
    table = effect_map(sweep.assign(eligible=False), scores, items, QUICK)
    assert table.empty
    assert set(table.columns) == set(effect_map(sweep, scores, items, QUICK).columns)


def test_scores_of_other_items_are_refused():
    sweep, scores, items = study(8)
    with pytest.raises(InputError, match="no row for item i0"):
        effect_map(sweep, scores.iloc[1:], items, QUICK)
    with pytest.raises(InputError, match="item i2 has several rows"):
        effect_map(sweep, pd.concat([scores, scores[2:3]]), items, QUICK)
    outside = scores.assign(item_id=scores["item_id"].replace("i0", "x"))
    assert len(effect_map(sweep, outside, items[items["item_id"] != "i0"], QUICK))


def test_an_unknown_direction_is_refused():
    sweep, scores, items = study(8)
    with pytest.raises(InputError, match="direction 'forth'"):
        effect_map(sweep.assign(direction="forth"), scores, items, QUICK)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replicates": 0}, "replicates 0"),
        ({"flips": -1}, "flips -1"),
        ({"level": 95}, "level 95"),
        ({"method": "normal"}, "percentile, bca, flip"),
    ],
)
def test_options_out_of_range_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        Options(**values)
