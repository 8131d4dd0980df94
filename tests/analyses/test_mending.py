"""Mending: damage of a known kind is undone, random weights are not, halves are kept apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import EOT, SOT, alignment_table, items_of, random_images

from negtrace.analyses.ablation import ablated_scores
from negtrace.analyses.head_sets import split_items
from negtrace.analyses.mended_items import MEASURED, Half
from negtrace.analyses.mending import choose, head_options, mean_differences, mend
from negtrace.models.tower import TextTower
from negtrace.models.weight_edits import Edit, edited, scaled
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import scores, sentence_embeddings
from negtrace.patching.sentences import sentence_pairs
from negtrace.statistics.groups import segments
from negtrace.statistics.mending import accuracy_and_d

PAIRS = 16
HEADS = ((1, 2), (2, 1))
SCALE = 20.0


def study(tower: TextTower, truth: TextTower | None = None) -> dict[str, pd.DataFrame]:
    """Tables of random sentences; images are such that the true tower gets every item right."""
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(PAIRS):
        rest = rng.integers(10, 50, size=rng.integers(2, 5)).tolist()
        pairs.append(([SOT, 3, *rest, EOT], [SOT, 4, *rest, EOT]))
    alignment = alignment_table(pairs, tower.shape)
    items = items_of(PAIRS, 2).assign(group=None)
    for side, polarity in enumerate(("negated", "affirmative")):
        items[polarity] = [str(pairs[int(p[4:])][side]) for p in items["pair_id"]]
    in_caption = items["negation"] == "caption"
    items["caption"] = items["negated"].where(in_caption, items["affirmative"])
    images = random_images(items, tower.shape.embed_dim)
    if truth is not None:
        by = sentence_embeddings(truth, alignment).set_index(["pair_id", "polarity"])["embedding"]
        vectors = []
        for item in items.itertuples():
            sign = 1 if item.negation == "caption" else -1
            apart = sign * (by[item.pair_id, "negated"] - by[item.pair_id, "affirmative"])
            vectors.append(apart / np.linalg.norm(apart))
        images = images.assign(embedding=vectors)
    found = scores(items, sentence_embeddings(tower, alignment), images, SCALE)
    thresholds = {"incorrect_below": -1, "correct_from": 1}
    tables = {"alignment": alignment, "candidates": items, "images": images, "scores": found}
    of_heads = sweep(tower, alignment, items, images, found, "head", "negate", SCALE)
    return tables | {"sweep": of_heads, "segments": segments(found, items, thresholds)}


@pytest.fixture(scope="module")
def tower(tiny_models) -> TextTower:
    own = tiny_models["causal_quick_gelu"].tower
    return TextTower(own.shape, own.weights, {"logit_scale": SCALE})


def test_the_factor_that_undoes_a_damage_is_chosen(tower):
    damaged = edited(tower, scaled(HEADS, -0.5))
    tables = study(damaged, truth=tower)
    chosen, tested = split_items(tables["segments"], 0)
    first, second = (Half(damaged, tables, half, 0, 1.0) for half in (chosen, tested))
    before = accuracy_and_d(first.scores(damaged)["d"])
    options = head_options(HEADS, [-2, 0, 0.5, 1, 2])
    choice = choose(damaged, first, "heads", options, before, lambda: None)
    assert choice.option.strength == -2
    assert 1 not in {option.strength for option in options}
    tried = choice.tried.set_index("strength")
    assert tried.loc[-2, "accuracy"] == 1 > before[0] == tried.loc[1, "accuracy"]
    assert tried["chosen"].sum() == 1
    healed = second.measured(edited(damaged, scaled(HEADS, -2)))
    np.testing.assert_allclose(healed["d"], second.measured(tower)["d"], atol=1e-9)


def test_a_factor_of_zero_is_zero_ablation(tower):
    tables = study(tower)
    half = Half(tower, tables, tables["segments"], 0, 1.0)
    found = half.scores(edited(tower, scaled(HEADS, 0)))
    names = ("alignment", "candidates", "images", "scores")
    ablated = ablated_scores(tower, *(tables[n] for n in names), [HEADS], SCALE, donor="zero")
    np.testing.assert_allclose(found["d"], ablated["d"], atol=1e-9)
    assert np.abs(found["d"] - tables["scores"]["d"]).max() > 1e-3


def test_directions_are_mean_differences_where_sentences_are_read_out(tower):
    pairs = sentence_pairs(study(tower)["alignment"])
    found = mean_differences(tower, pairs, 1.0)
    assert list(found) == [1, 2, 3]  # of the embedding, EOT has no difference
    from negtrace.patching.forward_passes import run_sentences

    last = [
        run_sentences(tower, [pair.sentence(side).tokens for pair in pairs]).resid[3]
        for side in ("negated", "affirmative")
    ]
    ends = torch.tensor([len(pair.negated.tokens) - 1 for pair in pairs])
    apart = (last[0] - last[1])[torch.arange(len(pairs)), ends].mean(0)
    torch.testing.assert_close(found[3], apart)


def test_of_random_weights_no_edit_is_said_to_mend(tower):
    """The null: images have nothing to do with sentences, so nothing can be learned on a half."""
    tables = study(tower)
    found = mend(tower, tables, 2, [0, 2], [-1, 1], 4)
    _, tested = split_items(tables["segments"], 0)
    assert {*found.items["item_id"]} == {*tested["item_id"]}
    assert list(found.items.columns) == [*MEASURED, "edit"]
    accuracy = found.table[found.table["measure"] == "accuracy"]
    assert not (accuracy["difference_ci_low"] > 0).any()
    assert found.tried.groupby("edit")["chosen"].sum().tolist() == [1, 1]
    assert len(found.tried) == (1 + 2) + (1 + 3 * 2)
    for kind, option in found.edits.items():
        own = found.table[found.table["edit"] == kind]
        assert set(own["what"]) == {option.what}
        assert set(own["n_sets"]) <= {0, 2, 4}


def test_what_is_reported_is_the_edited_towers(tower):
    tables = study(tower)
    found = mend(tower, tables, 1, [0, 3], [-2, 2], 1)
    _, tested = split_items(tables["segments"], 0)
    half = Half(tower, tables, tested, 0, 1.0)
    for kind, option in found.edits.items():
        own = found.items[found.items["edit"] == kind]
        again = half.measured(edited(tower, option.edit or Edit()))
        pd.testing.assert_frame_equal(own[MEASURED].reset_index(drop=True), again)
