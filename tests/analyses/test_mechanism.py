"""Mechanism: planted heads write the flag, nothing of the noun; none acts where they are off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from test_planted import Control
from test_restoration import Study

from negtrace.analyses.head_parts import head_parts
from negtrace.analyses.head_writes import NEGATION, NOUN, head_writes, other_nouns, projected
from negtrace.analyses.planted import Plant
from negtrace.figures.mechanism import mechanism_figure
from negtrace.patching.forward_passes import run_sentences
from negtrace.patching.head_writes import write_lengths, writes_along
from negtrace.patching.sentences import sentence_pairs
from negtrace.report.mechanism import of_mechanism
from negtrace.statistics.effect_sizes import Options
from negtrace.statistics.mechanism import part_map, verdicts, write_map

PLANT = Plant((1, 2), (3, 1), layers=3, heads=2, width=32, seed=1)
ROLES = {(1, 2): "subject_first", (3, 1): "EOT"}
QUICK = Options(replicates=200, flips=400)
LEAST = 0.1


class Found:
    """A planted tower's heads: tables of the confirmation."""

    def __init__(self, active: bool, direction: str) -> None:
        control = Control(PLANT, active)
        self.tower, self.tables = control.tower, control.tables
        tables = self.tables
        self.heads = control.sweep("head", direction)
        self.parts = head_parts(control.tower, tables, direction, seed=0)
        self.writes = head_writes(control.tower, tables, seed=0)
        both = (tables["scores"], tables["segments"])
        self.part_map = part_map(self.parts, *both, LEAST, QUICK)
        self.write_map = write_map(self.writes, LEAST, QUICK)
        self.verdicts = verdicts(self.part_map, self.write_map).set_index(["layer", "head"])


@pytest.fixture(scope="module")
def planted() -> Found:
    return Found(active=True, direction="negate")


def test_exactly_the_planted_heads_act_and_construct(planted):
    """A key without its value, or a value without its key, brings no negation in."""
    acting = planted.verdicts[planted.verdicts["acts"]]
    assert set(acting.index) == set(ROLES)
    assert acting["role"].to_dict() == ROLES
    assert set(acting["by"]) == {"both together"}
    assert set(acting["verdict"]) == {"construction"}
    rows = planted.write_map.set_index(["layer", "head", "axis"])
    for head in ROLES:
        assert rows.loc[(*head, NEGATION), "ratio"] == pytest.approx(1, abs=0.1)
        assert rows.loc[(*head, NOUN), "p_fwer"] > 0.05
        assert abs(rows.loc[(*head, NEGATION), "control"]) < 0.5


def test_heads_that_do_not_act_are_not_interpreted(planted):
    others = planted.verdicts[~planted.verdicts["acts"]]
    assert len(others) == 4
    assert others[["by", "verdict"]].isna().all(axis=None)


def test_taking_the_negation_out_needs_attention_or_values_alone():
    found = Found(active=True, direction="affirm")
    acting = found.verdicts[found.verdicts["acts"]]
    assert set(acting.index) == set(ROLES)
    assert set(acting["by"]) == {"either"}
    assert set(acting["verdict"]) == {"construction"}  # whatever is patched into what


def test_nothing_acts_where_the_circuit_is_off():
    found = Found(active=False, direction="negate")
    # Shares of a d of almost nothing say nothing; logits do: a planted head is worth more than 5.
    assert found.part_map["difference"].abs().max() < 0.25


def test_both_parts_together_are_the_head(planted):
    both = planted.parts[planted.parts["part"] == "both"]
    assert set(planted.parts["part"]) == {"both", "attention", "values"}
    np.testing.assert_array_equal(both["s_patched"], planted.heads["s_patched"])
    assert both["s_placebo"].notna().all()


def test_sentences_and_figure_say_it(planted):
    table = planted.verdicts.reset_index()
    said = of_mechanism(table, planted.part_map, planted.write_map, 0.05)
    assert "of 6 heads, 2 act" in said[0]
    assert any("At subject_first it writes" in one and "it constructs." in one for one in said)
    drawn = mechanism_figure(table, planted.part_map, planted.write_map, {})
    names = [label.get_text() for label in drawn.axes[0].get_yticklabels()]
    assert set(names) == {"1.2", "3.1"}
    nothing = table.assign(acts=False)
    figure = mechanism_figure(nothing, planted.part_map, planted.write_map, {})
    assert "no head acts" in figure.texts[0].get_text()
    none = of_mechanism(nothing, planted.part_map, planted.write_map, 0.05)
    assert len(none) == 1
    assert "0 act" in none[0]


def test_what_heads_write_adds_up_to_what_attention_adds(causal):
    """Biases are the same in both runs."""
    study = Study(causal)
    pairs = sentence_pairs(study.alignment)[:1]
    tower = causal.tower
    base, source = (
        run_sentences(tower, [s.tokens]) for s in (pairs[0].affirmative, pairs[0].negated)
    )
    direction = torch.randn(3, tower.shape.width, dtype=torch.float64)
    rows = (torch.zeros(3, dtype=torch.long), torch.tensor([4, 5, 7]))
    changes = source.z[1][rows] - base.z[1][rows]
    added = source.attn_out[1][rows] - base.attn_out[1][rows]
    along = writes_along(tower, 2, changes, direction)
    assert along.shape == (3, tower.shape.heads)
    torch.testing.assert_close(along.sum(1), (added * direction).sum(1))
    alone = torch.zeros_like(changes)
    width = tower.shape.head_width
    alone[:, width : 2 * width] = changes[:, width : 2 * width]  # head 2
    written = tower.attn_out(2, alone) - tower.attn_out(2, torch.zeros_like(alone))
    torch.testing.assert_close(along[:, 1], (written * direction).sum(1))
    torch.testing.assert_close(write_lengths(tower, 2, changes)[:, 1], written.norm(dim=1))


def test_projections_are_means_over_the_tokens_of_a_pair(planted):
    pairs = sentence_pairs(planted.tables["alignment"])
    place = {pair.pair_id: i for i, pair in enumerate(pairs)}
    states, width = planted.tower.shape.layers + 1, planted.tower.shape.width
    axes = {"x": lambda at: torch.eye(width).double()[:states].expand(len(at), -1, -1)}
    arguments = ("subject_rest", axes, place)
    every = projected(planted.tower, pairs, *arguments, 2.0)["x"]
    few = projected(planted.tower, pairs[:3], *arguments, 1e-9)["x"]
    having = [i for i, pair in enumerate(pairs) if "subject_rest" in pair.affirmative.roles]
    assert np.isnan(np.delete(every, having, axis=0)).all()
    np.testing.assert_allclose(few[:3], every[:3], atol=1e-6)
    assert np.isnan(few[3:]).all()
    pair = pairs[having[0]]
    rows = [i for i, role in enumerate(pair.affirmative.roles) if role == "subject_rest"]
    runs = [run_sentences(planted.tower, [s.tokens]) for s in (pair.affirmative, pair.negated)]
    at = [row if i == 0 else pair.affirmative.counterparts[row] for i in (0, 1) for row in rows]
    base, source = (
        run.z[1][0, at[i * len(rows) : (i + 1) * len(rows)]] for i, run in enumerate(runs)
    )
    written = planted.tower.heads_out(2, source - base)[:, :, 2].mean(1)
    np.testing.assert_allclose(every[having[0], 1], written, atol=1e-5)


def written_table(**values: float) -> pd.DataFrame:
    """Ten pairs, one head, the noun: what it writes, and its controls."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"pair_id": [f"p{i}" for i in range(10)]})
    noise = {name: value + 0.01 * rng.standard_normal(10) for name, value in values.items()}
    return rows.assign(
        cluster_id=rows["pair_id"], layer=1, head=1, role="EOT", axis=NOUN, whole=2.0, **noise
    )


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({"along": -0.5, "swap": 0.0, "control": 0.0}, True),
        ({"along": -0.5, "swap": np.nan, "control": 0.0}, True),  # no pair has a swap
        ({"along": 0.5, "swap": 0.0, "control": 0.0}, False),  # it adds to the noun
        ({"along": -0.5, "swap": -0.6, "control": 0.0}, False),  # any word does that
        ({"along": -0.5, "swap": 0.0, "control": -0.6}, False),  # to any noun
        ({"along": -0.1, "swap": 0.0, "control": 0.0}, False),  # less than `LEAST` of 2
    ],
)
def test_suppression_needs_its_sign_its_size_and_both_controls(values, kept):
    (row,) = write_map(written_table(**values), LEAST, QUICK).itertuples()
    assert row.kept == kept
    assert row.ratio == pytest.approx(values["along"] / 2, abs=0.01)
    assert row.ratio_ci_low <= row.ratio <= row.ratio_ci_high


def test_another_noun_is_another():
    subject = np.array([0, 0, 1, 1, 2, 0])
    there = np.array([True, True, True, True, True, False])
    found = other_nouns(subject, there, 3)
    assert (subject[found[:5]] != subject[:5]).all()
    assert 5 not in found[:5]
    assert other_nouns(np.zeros(3), np.ones(3, bool), 0).tolist() == [0, 1, 2]
