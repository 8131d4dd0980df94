"""Ablation: against the slow twin, facts of any weights, and a tower whose heads are known."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import comb
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import EOT, SOT, VOCABULARY, TinyModel
from test_restoration import LOGIT_SCALE, PAIRS, REPHRASED, TOLERANCE, Study

from negtrace.analyses import ablation
from negtrace.analyses.ablation import ablate_found_heads, ablated_scores
from negtrace.analyses.ablation_change import with_change
from negtrace.analyses.confirmation import RANKINGS, confirmation, curves, set_means
from negtrace.analyses.head_sets import (
    AblationSet,
    curve_sizes,
    every_head,
    other_sets,
    plan_sets,
    rank_heads,
    split_clusters,
)
from negtrace.errors import InputError
from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.interventions import Intervention
from negtrace.patching.scores import scores, sentence_embeddings
from negtrace.statistics.groups import segments
from negtrace.vocabulary import BASE_OF

SCORES = ["s_negated", "s_affirmative", "d"]
SMALL = TowerShape(
    width=24, heads=3, layers=2, mlp_width=8, context_length=9, vocab_size=9, embed_dim=4
)


def ablated(study: Study, head_sets, **options) -> pd.DataFrame:
    tables = (study.alignment, study.items, study.images, study.scores)
    return ablated_scores(study.tiny.tower, *tables, head_sets, LOGIT_SCALE, **options)


@pytest.mark.parametrize("donor", ["mean", "zero"])
@pytest.mark.parametrize("structure", ["causal_quick_gelu", "bidirectional_last", "class_token"])
def test_scores_equal_the_twin(tiny_models, structure, donor):
    study = Study(tiny_models[structure], PAIRS[:2])
    head_sets = (((1, 2), (3, 1), (3, 2)), ((2, 3),))
    found = ablated(study, head_sets, donor=donor)
    items = ["set", "item_id", "pair_id", "negation"]
    assert list(found) == [*items, "s_negated", "s_affirmative", "d"]
    table = found.set_index(["set", "item_id"])
    intervention = Intervention("head", head_sets=head_sets, donor=donor)
    original = study.scores.set_index("item_id")
    for number, heads in enumerate(head_sets):
        for item, pair in (("item0_0", "pair0"), ("item1_0", "pair1")):
            row = SimpleNamespace(
                item_id=item,
                pair_id=pair,
                site="head",
                role="all",
                position=None,
                layer=min(heads)[0],
                head=None,
                head_set=number + 1,
            )
            for direction, polarity in BASE_OF.items():
                expected = study.twin_score(row, direction, intervention)
                found = table.loc[(number, item), f"s_{polarity}"]
                assert found == pytest.approx(expected, abs=TOLERANCE)
                assert abs(found - original.loc[item, f"s_{polarity}"]) > 1e-3


def test_the_empty_set_changes_nothing(causal):
    study = Study(causal)
    table = ablated(study, [()])
    pd.testing.assert_frame_equal(table[SCORES], study.scores[SCORES], check_exact=True)
    mixed = ablated(study, [(), ((1, 1),)])
    assert mixed[mixed["set"] == 0][SCORES].equals(table[SCORES])
    assert (mixed[mixed["set"] == 1]["d"].to_numpy() - table["d"]).abs().min() > 1e-3


def test_equal_sets_are_computed_once(causal, monkeypatch):
    counts = []
    original = ablation.sweep

    def counting(*args):
        counts.append(len(args[5].head_sets))
        return original(*args)

    monkeypatch.setattr(ablation, "sweep", counting)
    table = ablated(Study(causal), [((1, 1), (2, 2)), ((2, 2), (1, 1)), ((3, 1),)])
    assert counts == [2, 2]
    first, second, third = (table[table["set"] == i][SCORES].to_numpy() for i in range(3))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - third).min() > 1e-3


def test_sets_that_begin_alike_are_one_until_they_part(causal, monkeypatch):
    rows = Counter()
    original = TextTower.mlp_out

    def counting(self, block, mid):
        rows[block] += mid.shape[:-1].numel()
        return original(self, block, mid)

    monkeypatch.setattr(TextTower, "mlp_out", counting)
    study = Study(causal, PAIRS[:1])
    first, like_it, other = ((1, 1), (3, 1)), ((1, 1), (3, 2)), ((2, 1),)
    counted = []
    for head_sets in ([first], [first, like_it, other]):
        rows.clear()
        ablated(study, head_sets)
        counted.append(Counter(rows))
    more = counted[1] - counted[0]
    # Nothing in block 1; of `other` every row in block 2, and of both the pooled one in block 3.
    assert more == {2: sum(map(len, PAIRS[0])), 3: 2 * 2}


def test_without_any_head_nothing_tells_the_sentences_apart(causal):
    """EOT gets the same from every block, whatever the sentence of that length says."""
    study = Study(causal, [PAIRS[i] for i in REPHRASED])
    table = ablated(study, [every_head(causal.tower.shape)])
    np.testing.assert_allclose(table["d"], 0, atol=TOLERANCE)
    assert study.scores["d"].abs().min() > 1e-3
    assert (table["s_negated"] - study.scores["s_negated"]).abs().min() > 1e-3


def test_d_is_caption_minus_foil(causal):
    table = ablated(Study(causal), [((1, 1),)])
    sign = table["negation"].map({"caption": 1, "foil": -1})
    assert table["d"].equals(sign * (table["s_negated"] - table["s_affirmative"]))
    assert set(sign) == {1, -1}


@pytest.mark.parametrize(
    ("head_sets", "donor", "message"),
    [
        ([((4, 1),)], "mean", "no head 1 in block 4"),
        ([((1, 1),)], "source", "use mean or zero"),
        ([((1, 1),)], "median", "donor median does not ablate"),
    ],
)
def test_undefined_ablations_are_refused(causal, head_sets, donor, message):
    with pytest.raises(InputError, match=message):
        ablated(Study(causal), head_sets, donor=donor)


def test_split_halves_the_clusters():
    pairs = [f"pair{i}" for i in range(21)]
    first, second = split_clusters([*pairs, *pairs], seed=3)
    assert (len(first), len(second)) == (10, 11)
    assert first | second == set(pairs)
    assert split_clusters(pairs[::-1], seed=3) == (first, second)
    assert split_clusters(pairs, seed=4) != (first, second)
    with pytest.raises(InputError, match="1 cluster of sentence pairs cannot be split"):
        split_clusters(["pair0", "pair0"], seed=0)


def sweep_of_heads() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Four heads that move d of items a and b, which are both sides of 0, and of c, left out.

    d is 4 (a, caption) and -1 (b, foil); its changes are 1 + 0, -3 - 1, 1 + 1 and 1 - 0.5 logits.
    """
    changes = {(1, 1): (1.0, 0.0), (1, 2): (-3.0, -1.0), (2, 1): (1.0, 1.0), (2, 2): (1.0, -0.5)}
    scores = pd.DataFrame(
        [
            ("a", "caption", 14.0, 10.0, 4.0),
            ("b", "foil", 11.0, 10.0, -1.0),
            ("c", "caption", 14.0, 10.0, 4.0),
        ],
        columns=["item_id", "negation", "s_negated", "s_affirmative", "d"],
    )
    rows = [
        {
            "item_id": item,
            "pair_id": item,
            "layer": layer,
            "head": head,
            "s_patched": 10 + change * (-1 if item == "b" else 1),
            "restoration": change / d,
        }
        for (layer, head), of_items in changes.items()
        for item, change, d in zip(
            "abc", (*of_items, 9.0 if head == 2 else 0.0), (4, -1, 4), strict=True
        )
    ]
    table = pd.DataFrame(rows).assign(
        site="head", direction="negate", role="all", eligible=True, known=False
    )
    return table, scores, pd.DataFrame({"item_id": ["a", "b"], "cluster_id": ["p", "q"]})


def test_heads_are_ranked_by_the_mean_change_over_all_items():
    """Not by the mean of ratios, which item b dominates: 0.125, 0.125, -0.375, 0.375."""
    table, scores, selected = sweep_of_heads()
    ratios = table[table["item_id"] != "c"].groupby(["layer", "head"])["restoration"].mean()
    assert ratios.tolist() == [0.125, 0.125, -0.375, 0.375]
    assert rank_heads(table, scores, selected) == ((2, 1), (1, 1), (2, 2), (1, 2))
    assert rank_heads(table, scores, selected, "absolute") == ((1, 2), (2, 1), (1, 1), (2, 2))


def test_heads_cannot_be_ranked_by_other_sweeps():
    table, scores, selected = sweep_of_heads()
    both = pd.concat([table, table.assign(direction="affirm")])
    for wrong in (table.assign(site="q"), both):
        with pytest.raises(InputError, match="one sweep of site head in one direction"):
            rank_heads(wrong, scores, selected)
    with pytest.raises(InputError, match="no item to rank heads by"):
        rank_heads(table, scores, selected[:0])


FOUND = ((1, 1), (1, 3), (2, 2))
WIDE = TowerShape(
    width=24, heads=12, layers=3, mlp_width=8, context_length=9, vocab_size=9, embed_dim=4
)


@pytest.mark.parametrize("matched", [False, True])
def test_random_sets_are_distinct_and_of_the_same_size(matched):
    drawn = other_sets(FOUND, WIDE, 100, np.random.default_rng(1), matched)
    assert len(set(drawn)) == len(drawn) == 100
    assert FOUND not in drawn
    for one in drawn:
        assert len(set(one)) == len(FOUND)
        assert list(one) == sorted(one)
    blocks = {tuple(block for block, _ in one) for one in drawn}
    assert (blocks == {(1, 1, 2)}) == matched
    assert {head for one in drawn for _, head in one} == set(range(1, 13))
    assert drawn == other_sets(FOUND, WIDE, 100, np.random.default_rng(1), matched)
    assert drawn != other_sets(FOUND, WIDE, 100, np.random.default_rng(2), matched)


def test_all_sets_are_taken_where_there_are_no_more():
    rng = np.random.default_rng(0)
    others = other_sets(FOUND, SMALL, 100, rng, matched=False)
    assert set(others) == set(combinations(every_head(SMALL), 3)) - {FOUND}
    assert len(others) == comb(6, 3) - 1
    assert len(other_sets(FOUND, SMALL, 18, rng, matched=False)) == 18
    matched = other_sets(FOUND, SMALL, 100, rng, matched=True)
    assert len(set(matched)) == len(matched) == 3 * 3 - 1
    assert other_sets(((1, 1), (1, 2), (1, 3)), SMALL, 100, rng, matched=True) == []


def test_sizes_of_curves():
    assert curve_sizes(1) == [0, 1]
    assert curve_sizes(8) == [0, 1, 2, 4, 8]
    assert curve_sizes(24) == [0, 1, 2, 4, 8, 16, 24]


def test_plan_has_every_set():
    heads = every_head(SMALL)
    orders = {"signed": heads[::-1], "absolute": heads}
    plan = plan_sets(orders, 2, SMALL, draws=5, seed=7)
    by_purpose = {p: [one for one in plan if one.purpose == p] for p in {s.purpose for s in plan}}
    assert by_purpose["found"] == [AblationSet("found", "signed", 2, ((2, 2), (2, 3)))]
    assert by_purpose["found"][0].heads == "2.2 2.3"
    assert len(by_purpose["random"]) == 5
    assert len(by_purpose["layer_matched"]) == 2
    for kept, removed in zip(by_purpose["kept"], by_purpose["removed"], strict=True):
        assert (kept.ranking, kept.k) == (removed.ranking, removed.k)
        assert len(removed.ablated) == kept.k
        assert sorted(kept.ablated + removed.ablated) == list(heads)
        assert set(removed.ablated) == set(orders[kept.ranking][: kept.k])
    assert [one.k for one in by_purpose["kept"]] == [0, 1, 2, 4, 6] * 2
    assert plan == plan_sets(orders, 2, SMALL, draws=5, seed=7)
    assert plan != plan_sets(orders, 2, SMALL, draws=5, seed=8)


@pytest.mark.parametrize("k", [0, 7])
def test_impossible_sizes_are_refused(k):
    with pytest.raises(InputError, match=f"a set of {k} heads in a tower of 6"):
        plan_sets({"signed": every_head(SMALL)}, k, SMALL)


def test_a_ranking_of_another_tower_is_refused():
    with pytest.raises(InputError, match="does not have all 6 heads"):
        plan_sets({"signed": every_head(WIDE)}, 1, SMALL)


H = (1, 1)
SETS = [
    AblationSet("found", "signed", 1, (H,)),
    *(AblationSet("random", None, 1, ((2, head),)) for head in (1, 2, 3)),
    AblationSet("layer_matched", None, 1, ((1, 2),)),
    *(AblationSet(p, "signed", k, ()) for k in (0, 1, 2) for p in ("kept", "removed")),
]
# d of the two items (caption, foil) under each set.
D = [
    (2.0, -1.0),  # found: accuracy 0.5, mean 0.5
    (3.0, 2.0),  # random: 1, 2.5
    (1.0, 5e-5),  # random: 0.5 (a tie is not correct), 0.5 (a drop as large, within rounding)
    (-1.0, -2.0),  # random: 0, -1.5
    (4.0, 4.0),  # layer_matched
    (0.0, 1.0),  # kept 0: mean 0.5
    (4.0, 5.0),  # removed 0, nothing ablated: 4.5
    (3.0, 2.0),  # kept 1: 2.5
    (1.0, 1.0),  # removed 1: 1
    (4.0, 5.0),  # kept 2
    (0.0, 1.0),  # removed 2
]


@pytest.fixture
def means() -> pd.DataFrame:
    rows = [
        {"set": i, "item_id": f"i{j}", "pair_id": "p", "negation": negation, "d": values[j]}
        for i, values in enumerate(D)
        for j, negation in enumerate(("caption", "foil"))
    ]
    return set_means(pd.DataFrame(rows), SETS)


def test_confirmation_by_hand(means):
    table = confirmation(means).set_index(["negation", "null", "measure"])
    mean_d = table.loc[("all", "random", "mean_d")]
    assert mean_d["full"] == 4.5
    assert mean_d["found"] == 0.5
    assert mean_d["drawn_mean"] == pytest.approx(0.5, abs=1e-4)
    assert mean_d["p"] == 3 / 4
    assert table.loc[("all", "random", "accuracy"), "p"] == 3 / 4
    assert table.loc[("all", "layer_matched", "accuracy"), "p"] == 1 / 2
    # Foil alone: -1 against 2, 0 and -2.
    assert table.loc[("foil", "random", "mean_d"), "p"] == 2 / 4
    assert table.loc[("foil", "random", "accuracy"), "p"] == 3 / 4
    assert (table["n_sets"].xs("random", level="null") == 3).all()
    assert table["n_items"].xs("all").eq(2).all()
    assert table["n_pairs"].eq(1).all()


def test_curves_by_hand(means):
    table = curves(means).set_index(["negation", "k"])
    np.testing.assert_allclose(table.loc["all", "faithfulness"], [0, 2 / 4, 1])
    np.testing.assert_allclose(table.loc["all", "completeness"], [1, 0.5 / 4, 0])
    np.testing.assert_allclose(table.loc["caption", "faithfulness"], [0, 3 / 4, 1])
    assert table.loc["foil", "mean_d_removed"].tolist() == [5, 1, 1]
    assert table.loc["caption", "accuracy_kept"].tolist() == [0, 1, 1]


def test_curves_are_undefined_where_heads_change_nothing(means):
    flat = means.assign(mean_d=means["mean_d"].where(means["purpose"] != "kept", 4.5))
    table = curves(flat[flat["negation"] == "all"])
    assert table[["faithfulness", "completeness"]].isna().all(axis=None)


CARRIERS = ((1, 5), (2, 12))
MARK = {3: 1.0, 4: -1.0}  # "no" and "some"


def tower_with_two_carriers() -> TextTower:
    """Two heads of 32 copy the mark of "no" to EOT, half each; the others write a little noise.

    Attention is uniform and there are no MLPs.  Dimension 0 of the stream holds the marks,
    dimension 1 what the carriers write; the embedding's first coordinate reads dimension 1.
    """
    width, heads, layers = 32, 16, 2
    size = width // heads
    shape = TowerShape(
        width, heads, layers, mlp_width=4, context_length=10, vocab_size=VOCABULARY, embed_dim=8
    )
    generator = torch.Generator().manual_seed(0)

    def random(*sizes: int) -> torch.Tensor:
        return torch.randn(*sizes, generator=generator, dtype=torch.float64)

    zeros, ones = (lambda *s, f=f: f(*s, dtype=torch.float64) for f in (torch.zeros, torch.ones))
    weights = {
        "token_embedding": random(VOCABULARY, width),
        "positional_embedding": 0.1 * random(shape.context_length, width),
        "ln_final.weight": ones(width),
        "ln_final.bias": zeros(width),
        "projection": torch.eye(width, dtype=torch.float64)[:, 1:9],
    }
    weights["token_embedding"][:, :2] = 0
    weights["positional_embedding"][:, :2] = 0
    for token, mark in MARK.items():
        weights["token_embedding"][token] = weights["token_embedding"][3]  # alike but for the mark
        weights["token_embedding"][token, 0] = 3 * mark
    for block in range(1, layers + 1):
        values, out = random(width, width) / 10, random(width, width) / 100
        for _, head in (place for place in CARRIERS if place[0] == block):
            channel = (head - 1) * size
            values[channel : channel + size] = 0
            out[:, channel : channel + size] = 0
            values[channel, 0], out[1, channel] = 1, 4
        weights |= {
            f"blocks.{block}.{name}": tensor
            for name, tensor in {
                "ln_1.weight": ones(width),
                "ln_1.bias": zeros(width),
                "qkv.weight": torch.cat([zeros(2 * width, width), values]),
                "qkv.bias": zeros(3 * width),
                "out.weight": out,
                "out.bias": zeros(width),
                "ln_2.weight": ones(width),
                "ln_2.bias": zeros(width),
                "fc.weight": zeros(4, width),
                "fc.bias": zeros(4),
                "proj.weight": zeros(width, 4),
                "proj.bias": zeros(width),
            }.items()
        }
    return TextTower(shape, weights, {"logit_scale": LOGIT_SCALE})


def study_of_two_carriers() -> Study:
    """A study of the tower with two carriers.

    Images differ in the embedding's first coordinate, which says whether the caption is negated.
    """
    pairs = [
        ([SOT, 1, 2, 3, 10 + i, 20 + i, 5, EOT], [SOT, 1, 2, 4, 10 + i, 20 + i, 5, EOT])
        for i in range(12)
    ]
    study = Study(TinyModel("carriers", None, tower_with_two_carriers()), pairs)
    vectors = np.random.default_rng(0).normal(size=(len(study.items), 8)) / 10
    vectors[:, 0] = np.where(study.items["negation"] == "caption", 1, -1)
    study.images = study.images.assign(embedding=list(vectors))
    sentences = sentence_embeddings(study.tiny.tower, study.alignment)
    study.scores = scores(study.items, sentences, study.images, LOGIT_SCALE)
    return study


@pytest.fixture(scope="module")
def carried() -> tuple[Study, dict]:
    """Half of the pairs of such a study, and rankings by the other half."""
    study = study_of_two_carriers()
    selection, evaluation = split_clusters(study.items["pair_id"], seed=0)
    table = study.sweep("head", "negate")
    classified = segments(study.scores, study.items, {"incorrect_below": -0.1, "correct_from": 0.1})
    chosen = classified[classified["pair_id"].isin(selection)]
    rankings = {by: rank_heads(table, study.scores, chosen, by) for by in RANKINGS}
    study.items = study.items[study.items["pair_id"].isin(evaluation)].reset_index(drop=True)
    return study, rankings


def means_of(study: Study, rankings: dict, k: int) -> pd.DataFrame:
    plan = plan_sets(rankings, k, study.tiny.tower.shape, draws=100)
    return set_means(ablated(study, [one.ablated for one in plan]), plan)


def test_the_heads_that_carry_the_effect_are_found_and_confirmed(carried):
    study, rankings = carried
    for order in rankings.values():
        assert set(order[:2]) == set(CARRIERS)
    means = means_of(study, rankings, 2)
    table = confirmation(means).set_index(["negation", "null", "measure"])
    assert (table["n_sets"] == 100).all()
    assert (table["p"] == 1 / 101).all()
    accuracy = table.xs("accuracy", level="measure")
    assert (accuracy["full"] == 1).all()
    assert (accuracy["found"] <= 0.75).all()
    assert (accuracy["drawn_mean"] == 1).all()
    line = curves(means).set_index(["negation", "ranking", "k"]).loc[("all", "signed")]
    assert 0.3 < line.loc[1, "faithfulness"] < 0.7
    assert 0.3 < line.loc[1, "completeness"] < 0.7
    assert line.loc[2, "faithfulness"] == pytest.approx(1, abs=0.05)
    assert line.loc[2, "completeness"] == pytest.approx(0, abs=0.05)


def test_other_heads_are_not_confirmed(carried):
    study, rankings = carried
    others = tuple(head for head in rankings["signed"] if head not in CARRIERS)
    middle = {"signed": (*others[14:16], *others[:14], *CARRIERS, *others[16:])}
    table = confirmation(means_of(study, middle, 2)).set_index(["negation", "null", "measure"])
    assert (table["p"].xs("accuracy", level="measure") == 1).all()
    assert (table["p"].xs("mean_d", level="measure") > 0.1).all()


SEED = 5
OTHER = (1, 1)  # no carrier


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """All that the step reads, of the whole study; every item is correct."""
    study = study_of_two_carriers()
    names = {"candidates": study.items, "images": study.images, "scores": study.scores}
    thresholds = {"incorrect_below": -0.1, "correct_from": 0.1}
    classified = segments(study.scores, study.items, thresholds)
    assert (classified["segment"] == "correct").all()
    return {
        **names,
        "alignment": study.alignment,
        "segments": classified,
        "sweep": study.sweep("head", "negate"),
    }


def found_heads(tables: dict[str, pd.DataFrame], **changed: pd.DataFrame) -> pd.DataFrame:
    return ablate_found_heads(tower_with_two_carriers(), tables | changed, 2, 3, SEED)[0]


def restoring(
    tables: dict[str, pd.DataFrame], items: pd.Series, head: tuple[int, int]
) -> pd.DataFrame:
    """The sweep with one head restoring a hundredfold in some items."""
    swept = tables["sweep"]
    here = swept["item_id"].isin(items) & (swept["layer"] == head[0]) & (swept["head"] == head[1])
    assert here.any()
    scored = tables["scores"].set_index("item_id").loc[swept["item_id"]]
    base, source = scored["s_affirmative"].to_numpy(), scored["s_negated"].to_numpy()
    return swept.assign(s_patched=swept["s_patched"].mask(here, base + 100 * (source - base)))


def heads_of(table: pd.DataFrame) -> set[str]:
    return set(table.loc[table["purpose"] == "found", "heads"].iloc[0].split())


def test_found_heads_are_ablated_on_the_other_half(tables):
    table = found_heads(tables)
    assert heads_of(table) == {f"{block}.{head}" for block, head in CARRIERS}
    evaluation = split_clusters(tables["segments"]["pair_id"], SEED)[1]
    items = tables["candidates"]
    evaluated = items[items["pair_id"].isin(evaluation)].reset_index(drop=True)
    every = table[table["negation"] == "all"]
    assert set(every["n_pairs"]) == {len(evaluation)}
    assert set(every["n_items"]) == {len(evaluated)}
    assert (table.loc[table["negation"] == "foil", "n_items"] < len(evaluated)).all()
    # The same from its parts: means over sentences of the evaluated pairs alone.
    alignment = tables["alignment"]
    ablated = ablated_scores(
        tower_with_two_carriers(),
        alignment[alignment["pair_id"].isin(evaluation)],
        *(evaluated, tables["images"], tables["scores"], [CARRIERS], LOGIT_SCALE),
    )
    found = every.loc[every["purpose"] == "found"].iloc[0]
    assert found["mean_d"] == pytest.approx(ablated["d"].mean(), abs=TOLERANCE)
    intact = every[(every["purpose"] == "removed") & (every["k"] == 0)]
    of_evaluated = tables["scores"].set_index("item_id").loc[evaluated["item_id"], "d"]
    np.testing.assert_allclose(intact["mean_d"], of_evaluated.mean(), atol=TOLERANCE)
    assert abs(of_evaluated.mean() - tables["scores"]["d"].mean()) > 1e-4


@pytest.mark.parametrize(("half", "counts"), [(0, True), (1, False)])
def test_heads_are_ranked_on_the_selected_half_alone(tables, half, counts):
    pairs = split_clusters(tables["segments"]["pair_id"], SEED)[half]
    items = tables["segments"].loc[tables["segments"]["pair_id"].isin(pairs), "item_id"]
    table = found_heads(tables, sweep=restoring(tables, items, OTHER))
    assert ("1.1" in heads_of(table)) == counts


@pytest.mark.parametrize("segment", ["correct", "ambiguous", "incorrect"])
def test_heads_are_ranked_on_items_of_every_segment(tables, segment):
    classified = tables["segments"].copy()
    chosen = classified["item_id"].str.endswith("_1")
    classified.loc[chosen, "segment"] = segment
    swept = restoring(tables, classified.loc[chosen, "item_id"], OTHER)
    assert "1.1" in heads_of(found_heads(tables, segments=classified, sweep=swept))


def test_every_found_head_is_tested_for_its_part_on_the_other_half(tables):
    tower = tower_with_two_carriers()
    means, _, needed = ablate_found_heads(tower, tables, 3, 3, SEED)
    heads = list(zip(needed["layer"], needed["head"], strict=True))
    assert {f"{block}.{head}" for block, head in heads} == heads_of(means)
    assert set(CARRIERS) < set(heads)
    carries = np.array([head in CARRIERS for head in heads])
    every = means[means["negation"] == "all"]
    intact = every[(every["purpose"] == "removed") & (every["k"] == 0)].iloc[0]
    found = every[every["purpose"] == "found"].iloc[0]
    assert needed["loss_of_set"].to_numpy() == pytest.approx(intact["mean_d"] - found["mean_d"])
    of_set = needed["loss_of_set"].iloc[0]
    assert (needed.loc[carries, "loss"] > 0.3 * of_set).all()
    assert (needed.loc[~carries, "loss"].abs() < 0.05 * of_set).all()
    assert set(needed["n_pairs"]) == set(every["n_pairs"])
    # The same from its parts.
    evaluation = split_clusters(tables["segments"]["pair_id"], SEED)[1]
    alignment, items = (tables[name] for name in ("alignment", "candidates"))
    parts = (table[table["pair_id"].isin(evaluation)] for table in (alignment, items))
    left, whole = tuple(heads[1:]), tuple(heads)
    scored = ablated_scores(
        tower, *parts, tables["images"], tables["scores"], [left, whole], LOGIT_SCALE
    )
    d = scored.groupby("set")["d"].mean()
    assert needed["loss"].iloc[0] == pytest.approx(d[0] - d[1])


def test_what_the_found_heads_do_has_an_interval_over_the_other_half(tables):
    means, tests, _ = ablate_found_heads(tower_with_two_carriers(), tables, 2, 3, SEED)
    assert list(confirmation(means).columns) == [*tests.columns[:-3]]
    np.testing.assert_allclose(tests["difference"], tests["found"] - tests["full"])
    assert (tests["difference_ci_low"] <= tests["difference"]).all()
    assert (tests["difference"] <= tests["difference_ci_high"]).all()
    mean_d = tests[tests["measure"] == "mean_d"]
    assert (mean_d["difference_ci_high"] < 0).all()
    assert (mean_d["difference_ci_low"] < mean_d["difference_ci_high"]).all()


@pytest.mark.parametrize("clusters", [5, 6])
def test_changes_are_paired_by_item(clusters):
    """Every item loses 2 with the found set; what items differ by themselves is no uncertainty."""
    sets = [AblationSet("removed", "signed", 0, ()), AblationSet("found", "signed", 1, ((0, 0),))]
    rows = [
        {"set": i, "item_id": j, "pair_id": j, "cluster_id": j // 2, "d": level + j - 1.5}
        for i, level in enumerate((2.0, 0.0))
        for j in range(2 * clusters)
    ]
    ablated = pd.DataFrame(rows).assign(negation="foil")
    tests = pd.DataFrame({"negation": ["foil", "all"], "measure": "mean_d", "null": "random"})
    found = with_change(tests, ablated, sets)
    assert (found["difference"] == -2).all()
    for name in ("difference_ci_low", "difference_ci_high"):
        assert found[name].isna().all() if clusters < 6 else np.allclose(found[name], -2)


def test_items_that_are_filtered_or_lack_a_picture_are_not_evaluated(tables):
    evaluation = split_clusters(tables["segments"]["pair_id"], SEED)[1]
    of_half = tables["candidates"][tables["candidates"]["pair_id"].isin(evaluation)]
    doubted, lost = of_half.iloc[0], of_half.iloc[1]
    kept = tables["segments"][tables["segments"]["item_id"] != doubted["item_id"]]
    images = tables["images"][tables["images"]["image_file"] != lost["image_file"]]
    table = found_heads(tables, segments=kept, images=images)
    assert set(table.loc[table["negation"] == "all", "n_items"]) == {len(of_half) - 2}


def test_ablations_follow_from_the_seed(tables):
    pd.testing.assert_frame_equal(found_heads(tables), found_heads(tables))
    other = ablate_found_heads(tower_with_two_carriers(), tables, 2, 3, SEED + 1)[0]
    assert not other["heads"].equals(found_heads(tables)["heads"])
