"""Attribution: exact for small changes, whatever is patched; maps and measures by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from test_edges import edges
from test_restoration import LOGIT_SCALE, PAIRS, Study

from negtrace.analyses.attribution import COLUMNS, attributions
from negtrace.figures.attribution import attribution_figure
from negtrace.models.tower import TextTower
from negtrace.report.attribution import of_attribution
from negtrace.statistics.attribution_trust import attribution_trust, measures
from negtrace.statistics.effect_sizes import Options
from negtrace.statistics.groups import segments
from negtrace.vocabulary import ATTRIBUTIONS

SITES = ("resid", "attn_out", "mlp_out", "head", "q", "k", "v")
INTO = ["1.2.q", "2.1", "2.1.q", "2.1.k", "3.2.v", "mlp.2", "read-out"]
NEAR = 1e-5  # how far apart the two sentences' tokens are embedded


def study_of(tiny, near: float | None = None) -> Study:
    """A study of pairs that differ in one token, whose two embeddings may be made near."""
    weights = dict(tiny.tower.weights)
    if near:
        table = weights["token_embedding"].clone()
        table[4] = table[3] + near * torch.randn(table.shape[1], dtype=table.dtype)
        weights["token_embedding"] = table
    tower = TextTower(tiny.tower.shape, weights, {"logit_scale": LOGIT_SCALE})
    return Study(replace(tiny, tower=tower), [PAIRS[0], PAIRS[2]])


def attributed(study: Study, direction: str = "negate", steps: int = 3) -> pd.DataFrame:
    tables = {
        "alignment": study.alignment,
        "candidates": study.items,
        "images": study.images,
        "scores": study.scores,
    }
    swept = [study.sweep(site, direction) for site in (*SITES, "pattern")]
    patched = edges(study, INTO, direction)
    return attributions(study.tiny.tower, tables, swept, patched, direction, steps)


@pytest.mark.parametrize("structure", ["causal_quick_gelu", "bidirectional_last", "class_token"])
@pytest.mark.parametrize("direction", ["negate", "affirm"])
def test_every_estimate_is_exact_to_first_order(tiny_models, structure, direction):
    torch.manual_seed(0)
    table = attributed(study_of(tiny_models[structure], NEAR), direction)
    assert table.columns.tolist() == COLUMNS
    assert set(table["site"].astype(str)) == {*SITES, "edge"}
    for site, part in table.groupby(table["site"].astype(str)):
        size = part["exact"].abs().max()
        assert size > 1e-7, site
        for method in ATTRIBUTIONS:
            there = part[method].notna()
            assert there.all() or method == "atp_qk"
            miss = (part[method] - part["exact"])[there].abs().max()
            assert not there.any() or miss < 1e-3 * size, (site, method)
    anew = table[table["atp_qk"].notna()]
    assert set(anew["site"].astype(str)) == {"q", "k", "edge"}


def test_measures_by_hand():
    exact = np.array([[4.0, -3.0, 2.0, 1.0], [4.0, -3.0, 2.0, 0.0]])
    estimate = np.array([[4.0, -1.0, -2.0, 1.0], [4.0, -3.0, 2.0, 9.0]])
    found = measures(exact, estimate, top=2)
    assert found["sign_agreement"].tolist() == [3 / 4, 1.0]
    assert found["recall"].tolist() == [0.5, 0.5]
    assert found["worst_miss"].tolist() == [1.0, 9 / 4]
    # Ranks 4 1 3 2 against 4 2 1 3.
    assert found["rank_correlation"][0] == pytest.approx(1 - 6 * 6 / (4 * 15))


def test_maps_are_means_and_a_perfect_method_is_trusted(causal):
    study = study_of(causal)
    table = attributed(study)
    table = table.assign(ig=table["exact"], atp=-table["exact"])
    items = segments(study.scores, study.items, {"incorrect_below": -0.1, "correct_from": 0.1})
    cells, trust = attribution_trust(table, study.scores, items, 3, Options(replicates=50))
    values = trust.set_index(["site", "method", "measure"])["value"]
    for site in (*SITES, "edge"):
        assert values[site, "ig", "rank_correlation"] == pytest.approx(1)
        assert values[site, "ig", "recall"] == values[site, "ig", "sign_agreement"] == 1
        assert values[site, "ig", "worst_miss"] < 1e-9
        assert values[site, "atp", "rank_correlation"] == pytest.approx(-1)
        assert values[site, "atp", "sign_agreement"] == 0
        assert values[site, "atp", "recall"] == 1
    one = table[(table["site"] == "head") & (table["layer"] == 2) & (table["head"] == 3)]
    sign = study.items.set_index("item_id")["negation"].map({"caption": 1, "foil": -1})
    mean = (one["exact"].to_numpy() * sign.loc[one["item_id"].astype(str)]).mean()
    row = cells[(cells["site"] == "head") & (cells["layer"] == 2) & (cells["head"] == 3)]
    assert row["exact"].to_numpy() == pytest.approx([mean] * 2)
    said = of_attribution(trust, cells)
    assert "hidden state by integrated gradients" in said[0]
    assert "by gradients at the base run" not in said[0]
    assert "sign right in 0.00" in " ".join(said)
    figure = attribution_figure(cells, {})
    assert [axis.get_title() for axis in figure.axes[: len(SITES) + 1]]
