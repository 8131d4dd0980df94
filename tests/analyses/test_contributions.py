"""Direct contributions: they add up to the scores, and each is what open_clip computes for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import EOT, SOT, STRUCTURES, TinyModel
from test_restoration import LOGIT_SCALE, PAIRS, Study

from negtrace.analyses.contributions import contributions
from negtrace.errors import InputError
from negtrace.models.tower import TextTower
from negtrace.patching.slow_twin import activations
from negtrace.statistics.groups import segments
from negtrace.statistics.means import contribution_map

EXACT = 1e-10
THRESHOLDS = {"incorrect_below": -1.0, "correct_from": 1.0}
SCORES = ["s_negated", "s_affirmative", "d"]


# Towers whose residual stream is a plain sum.
SUMS = [name for name, changes in STRUCTURES.items() if "hugging_face" not in changes]


@pytest.mark.parametrize("structure", sorted(set(STRUCTURES) - set(SUMS)))
def test_a_stream_that_is_no_sum_is_refused(tiny_models, structure):
    with pytest.raises(InputError, match="not defined for this text tower"):
        contributions_of(Study(tiny_models[structure]))


def contributions_of(study: Study, **options) -> pd.DataFrame:
    tables = (study.alignment, study.items, study.images)
    return contributions(study.tiny.tower, *tables, LOGIT_SCALE, **options)


def summed(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Sum over all components, in the order of the study's items."""
    return table.groupby("item_id")[SCORES].sum().loc[study.items["item_id"]]


@pytest.mark.parametrize("by_role", [False, True])
@pytest.mark.parametrize("structure", SUMS)
def test_components_add_up_to_the_scores(tiny_models, structure, by_role):
    study = Study(tiny_models[structure])
    table = contributions_of(study, by_role=by_role)
    np.testing.assert_allclose(summed(table, study), study.scores[SCORES], atol=EXACT, rtol=0)
    by_component = table.groupby("component")["d"].agg(lambda d: d.abs().max())
    parts = {"embedding", "head", "attention_bias", "mlp", "constant"}
    assert set(by_component.index) == parts
    assert by_component.min() > 1e-6


@pytest.mark.parametrize("structure", SUMS)
def test_roles_of_a_head_add_up_to_the_head(tiny_models, structure):
    study = Study(tiny_models[structure])
    whole, split = (contributions_of(study, by_role=by_role) for by_role in (False, True))
    keys = ["item_id", "component", "layer", "head"]
    together, expected = (
        table.groupby(keys, dropna=False, sort=False)[SCORES].sum() for table in (split, whole)
    )
    pd.testing.assert_frame_equal(together, expected, check_exact=False, atol=EXACT, rtol=0)
    assert len(expected) == len(whole) < len(split)
    roles = split.dropna(subset=["head"]).groupby(keys[1:], observed=True)["role"].nunique()
    assert (roles == study.alignment["role"].nunique()).all()


@pytest.mark.parametrize("structure", ["causal_quick_gelu", "layer_scale", "own_attention_class"])
def test_a_head_contributes_what_open_clip_computes_for_it(tiny_models, structure):
    """A(EOT -> position) v W_O of one head, from hooks and open_clip's own weights."""
    study = Study(tiny_models[structure], PAIRS[:1], items_per_pair=1)
    model, tokens, layer, head = study.tiny.model, PAIRS[0][0], 2, 3
    size, eot = 8, len(tokens) - 1
    seen = {site: activations(model, tokens, site, [layer])[layer][0] for site in ("v", "pattern")}
    final = activations(model, tokens, "resid", [3])[3][0, eot]
    block = model.transformer.resblocks[layer - 1]
    columns = slice((head - 1) * size, head * size)
    added = seen["pattern"][head - 1, eot, :, None] * seen["v"][:, columns]
    added = added @ block.attn.out_proj.weight[:, columns].T
    scale = getattr(block.ls_1, "gamma", 1.0)
    sigma = (final.var(correction=0) + model.ln_final.eps).sqrt()
    centred = (added * scale) - (added * scale).mean(-1, keepdim=True)
    vectors = centred / sigma * model.ln_final.weight @ model.text_projection
    n = (model.ln_final(final) @ model.text_projection).norm()
    image = torch.tensor(study.images["embedding"].iloc[0])
    by_position = (LOGIT_SCALE * vectors @ image / n).numpy()

    table = contributions_of(study, by_role=True)
    chosen = table[(table["layer"] == layer) & (table["head"] == head)]
    found = chosen.set_index("role")["s_negated"]
    rows = study.alignment[study.alignment["polarity"] == "negated"].sort_values("position")
    expected = pd.Series(by_position[: len(rows)]).groupby(rows["role"].to_numpy()).sum()
    np.testing.assert_allclose(found.loc[expected.index], expected, atol=EXACT, rtol=0)
    assert expected.abs().min() > 1e-4


def test_a_role_that_a_sentence_lacks_contributes_nothing_there(causal):
    """In the second pair a token was inserted, so only the negated sentence has an edit."""
    table = contributions_of(Study(causal), by_role=True)
    edit = table[(table["pair_id"] == "pair1") & (table["role"] == "edit")]
    assert (edit["s_affirmative"] == 0).all()
    assert edit["s_negated"].abs().min() > 0


def test_a_head_that_writes_nothing_contributes_nothing(causal):
    weights = {name: weight.clone() for name, weight in causal.tower.weights.items()}
    weights["blocks.2.out.weight"][:, 8:16] = 0
    weights["ln_final.bias"].zero_()
    tower = TextTower(causal.tower.shape, weights)
    table = contributions_of(Study(TinyModel("silent", causal.model, tower)))
    silent = (table["layer"] == 2) & (table["head"] == 2) | (table["component"] == "constant")
    assert (table.loc[silent, SCORES] == 0).all(axis=None)
    assert (table.loc[~silent, "s_negated"].abs() > 0).all()


def test_d_is_caption_minus_foil(causal):
    study = Study(causal)
    table = contributions_of(study).merge(study.items[["item_id", "negation"]], on="item_id")
    difference = table["s_negated"] - table["s_affirmative"]
    in_caption = table["negation"] == "caption"
    assert (table.loc[in_caption, "d"] == difference[in_caption]).all()
    assert (table.loc[~in_caption, "d"] == -difference[~in_caption]).all()


def test_result_does_not_depend_on_batches(causal):
    study = Study(causal)
    whole, small = (contributions_of(study, by_role=True, memory_gb=gb) for gb in (1.0, 1e-9))
    pd.testing.assert_frame_equal(whole, small, check_exact=False, atol=1e-11, rtol=0)


def test_float32_agrees_with_the_scores(causal):
    study = Study(causal)
    study.tiny = TinyModel("float32", causal.model, causal.tower.to(dtype=torch.float32))
    found = summed(contributions_of(study), study)
    np.testing.assert_allclose(found, study.scores[SCORES], atol=1e-4, rtol=0)


def test_a_pair_without_alignment_is_refused(causal):
    study = Study(causal)
    study.alignment = study.alignment[study.alignment["pair_id"] != "pair2"]
    with pytest.raises(InputError, match=r"no pair 'pair2' \(1 missing"):
        contributions_of(study)


def test_map_adds_up_to_the_mean_d(causal):
    study = Study(causal, [*PAIRS, ([SOT, 3, 30, 5, EOT], [SOT, 4, 30, 5, EOT])])
    classified = segments(study.scores, study.items, THRESHOLDS)
    assert classified["segment"].nunique() > 1
    table = contribution_map(contributions_of(study, by_role=True), classified)
    for (negation, segment), group in table.groupby(["negation", "segment"]):
        inside = classified[
            classified["negation"].isin([negation] if negation != "all" else ["caption", "foil"])
            & ((classified["segment"] == segment) | (segment == "all"))
        ]
        assert group["mean"].sum() == pytest.approx(inside["d"].mean(), abs=EXACT)
        assert group["share"].sum() == pytest.approx(1)
        np.testing.assert_allclose(group["share"], group["mean"] / inside["d"].mean(), rtol=1e-6)
        assert (group["n_items"] == len(inside)).all()
