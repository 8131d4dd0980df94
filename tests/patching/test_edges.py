"""Edges: the engine against classical path patching by hooks, two passes an edge; facts of any."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import STRUCTURES, TinyModel
from test_restoration import LOGIT_SCALE, PAIRS, REPHRASED, TOLERANCE, Study

from negtrace.errors import InputError
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.edge_patches import sender_changes
from negtrace.patching.edge_sweep import EDGE, edge_sweep, random_senders
from negtrace.patching.edges import (
    READ_OUT,
    Receiver,
    Sender,
    every_sender,
    receivers_named,
    senders_named,
)
from negtrace.patching.forward_passes import run_sentences
from negtrace.patching.sentences import sentence_pairs
from negtrace.patching.slow_twin_edges import path_patched_embedding
from negtrace.patching.tails import PairBatch, make_tails, position_sets
from negtrace.vocabulary import BASE_OF, SOURCE_OF

RECEIVERS = [
    *("1.2.q", "2.1", "2.1.q", "2.1.k", "2.1.v", "3.2", "3.2.k", "3.2.v"),
    *("mlp.1", "mlp.2", "mlp.3", READ_OUT),
]
POST_NORM = ("bert_first", "roberta_mean")


def edges(study: Study, receivers: list[str], direction: str = "negate", **options) -> pd.DataFrame:
    tables = (study.alignment, study.items, study.images, study.scores)
    wanted = receivers_named(receivers, study.tiny.tower.shape)
    return edge_sweep(study.tiny.tower, *tables, wanted, direction, LOGIT_SCALE, **options)


def twin_score(study: Study, row, direction: str) -> float:
    """Score of an edge by hooks on open_clip: sender patched, all between frozen, then receiver."""
    pair = next(p for p in sentence_pairs(study.alignment) if p.pair_id == row.pair_id)
    base, source = pair.sentence(BASE_OF[direction]), pair.sentence(SOURCE_OF[direction])
    tokens, places = study.as_open_clip_reads(base)
    source_tokens, source_places = study.as_open_clip_reads(source)
    matched = [
        (places[i], source_places[base.counterparts[i]])
        for i, role in enumerate(base.roles)
        if role == row.role and base.counterparts[i] >= 0
    ]
    shape = study.tiny.tower.shape
    embedding = path_patched_embedding(
        study.tiny.model,
        tokens,
        source_tokens,
        senders_named([row.sender], shape)[0],
        receivers_named([row.receiver], shape)[0],
        *zip(*matched, strict=True),
    )
    image = study.images.loc[study.items["item_id"] == row.item_id, "embedding"].iloc[0]
    return LOGIT_SCALE * float(embedding.numpy() @ image)


@pytest.mark.parametrize(
    ("structure", "direction"),
    [
        *((structure, "negate") for structure in STRUCTURES if structure not in POST_NORM),
        ("causal_quick_gelu", "affirm"),
        ("bidirectional_last", "affirm"),
    ],
)
def test_every_edge_equals_path_patching_by_hooks(tiny_models, structure, direction):
    study = Study(tiny_models[structure], PAIRS[:2], items_per_pair=1)
    tower = study.tiny.tower
    heads = [
        name
        for name in RECEIVERS
        if "." not in name or int(name.split(".")[1]) <= tower.shape.heads
    ]
    table = edges(study, heads, direction)
    base = study.scores.set_index("item_id")[f"s_{BASE_OF[direction]}"]
    table["moved"] = np.abs(table["s_patched"] - base.loc[table["item_id"]].to_numpy())
    strongest = table.groupby(table["receiver"].astype(str))["moved"].idxmax()
    assert (table.loc[strongest, "moved"] > 1e-6).all()
    chosen = np.random.default_rng(0).choice(len(table), min(48, len(table)), replace=False)
    some = table.loc[sorted({*strongest, *chosen})]
    expected = [twin_score(study, row, direction) for row in some.itertuples()]
    np.testing.assert_allclose(some["s_patched"], expected, atol=TOLERANCE, rtol=0)
    assert some["moved"].max() > 0.01


def test_float32_is_exact_up_to_rounding(causal):
    study = Study(causal)
    exact = edges(study, RECEIVERS)
    study.tiny = TinyModel("float32", None, causal.tower.to(dtype=torch.float32))
    single = edges(study, RECEIVERS)
    assert (exact[EDGE] == single[EDGE]).all(axis=None)
    assert (exact["s_patched"] - single["s_patched"]).abs().max() < 1e-4


def test_some_roles_are_rows_of_all(causal):
    study = Study(causal)
    every = edges(study, RECEIVERS)
    some = edges(study, RECEIVERS, roles=["EOT", "edit"])
    assert set(some["role"].astype(str)) == {"EOT", "edit"}
    plain = dict.fromkeys(EDGE, str)
    rows = every[every["role"].isin(["EOT", "edit"])].astype(plain)
    key = ["item_id", *EDGE]
    pd.testing.assert_frame_equal(
        some.astype(plain).sort_values(key, ignore_index=True),
        rows.sort_values(key, ignore_index=True),
        rtol=1e-12,
    )
    with pytest.raises(InputError, match=r"no sentence has a token of the roles padding: .*EOT"):
        edges(study, RECEIVERS, roles=["padding"])


def test_memory_changes_nothing(causal):
    study = Study(causal)
    pd.testing.assert_frame_equal(
        edges(study, RECEIVERS), edges(study, RECEIVERS, memory_gb=1e-6), rtol=1e-12
    )


def test_what_senders_write_adds_up_to_the_residual_stream(causal):
    """Embedding, heads and MLPs write all that differs; biases are the same in both runs."""
    tower = causal.tower
    pairs = sentence_pairs(Study(causal, [PAIRS[i] for i in REPHRASED]).alignment)
    bases = [pair.affirmative for pair in pairs]
    base = run_sentences(tower, [s.tokens for s in bases])
    source = run_sentences(tower, [pair.negated.tokens for pair in pairs])
    for i, sentence in enumerate(bases):
        (place,) = position_sets(i, sentence, sentence.counterparts, ("EOT",))
        batch = PairBatch(base, source)
        (tail,) = make_tails([place], batch, [3], tower.shape, 99)
        changes = sender_changes(tower, batch, tail, every_sender(tower.shape), torch.arange(1))
        total = source.resid[-1][i, source.pooled[i]] - base.resid[-1][i, base.pooled[i]]
        torch.testing.assert_close(changes.sum(1)[0, 0], total)
        assert total.norm() > 0.1


def test_what_cannot_matter_is_left_out(causal):
    into = ["2.1.q", "2.1.k", "3.1", "3.1.q", "3.1.v", "mlp.3", READ_OUT]
    table = edges(Study(causal, PAIRS[:1]), into)
    roles = table.groupby(table["receiver"].astype(str))["role"].agg(lambda r: set(map(str, r)))
    behind = {"edit", "shared_after", "EOT"}
    assert roles["2.1.q"] == roles["2.1.k"] == roles["3.1.v"] == roles["3.1"] == behind
    assert roles["3.1.q"] == roles["mlp.3"] == roles[READ_OUT] == {"EOT"}
    senders = table.groupby(table["receiver"].astype(str))["sender"].agg(lambda s: set(map(str, s)))
    assert senders["2.1.k"] == {"embedding", "1.1", "1.2", "1.3", "mlp.1"}
    assert {"3.1", "mlp.2"} <= senders["mlp.3"]
    assert "mlp.3" not in senders["mlp.3"]
    assert "mlp.3" in senders[READ_OUT]


def test_a_sender_without_a_change_changes_nothing(causal):
    """The embedding of a token that both sentences have in the same place is one."""
    study = Study(causal, PAIRS[:1])
    table = edges(study, ["2.1", "mlp.2"]).astype({"sender": str, "role": str})
    base = study.scores.set_index("item_id")["s_affirmative"]
    moved = (table["s_patched"] - base.loc[table["item_id"]].to_numpy()).abs()
    shared = (table["sender"] == "embedding") & (table["role"] != "edit")
    assert moved[shared].max() < 1e-12
    assert moved[(table["sender"] == "embedding") & (table["role"] == "edit")].max() > 1e-3


def test_named_senders_alone_are_the_same_edges(causal):
    study = Study(causal)
    some = senders_named(["2.1", "embedding"], causal.tower.shape)
    assert some == [Sender(0), Sender(2, 1)]
    table, every = edges(study, ["3.2.k"], senders=some), edges(study, ["3.2.k"])
    both = every[every["sender"].isin(["2.1", "embedding"])].reset_index(drop=True)
    np.testing.assert_allclose(table["s_patched"], both["s_patched"], rtol=1e-12)


def test_random_senders_move_as_far_in_another_direction(causal):
    study = Study(causal)
    pairs = sentence_pairs(study.alignment)
    bases = [p.affirmative for p in pairs]
    base, source = (
        run_sentences(causal.tower, [p.sentence(name).tokens for p in pairs])
        for name in ("affirmative", "negated")
    )
    turned = random_senders(base, source, bases, causal.tower.shape.heads, [1] * len(pairs))
    for name, block in (("resid", 1), ("mlp_out", 1), ("mlp_out", 3), ("z", 2)):
        first = [run.activation(name, block)[0, 3] for run in (base, source, turned)]
        real, other = first[1] - first[0], first[2] - first[0]
        groups = 3 if name == "z" else 1
        for one, two in zip(real.chunk(groups), other.chunk(groups), strict=True):
            assert float(one.norm()) == pytest.approx(float(two.norm()))
            assert abs(float(torch.cosine_similarity(one, two, dim=0))) < 0.9
    table = edges(study, ["2.1"], donor="random", seed=3)
    again = edges(study, ["2.1"], donor="random", seed=3)
    pd.testing.assert_frame_equal(table, again)
    assert (table["s_patched"] - edges(study, ["2.1"])["s_patched"]).abs().max() > 1e-3


@pytest.mark.parametrize("structure", POST_NORM)
def test_towers_that_normalise_the_stream_itself_are_refused(tiny_models, structure):
    with pytest.raises(InputError, match="leave these three out of"):
        edges(Study(tiny_models[structure], PAIRS[:1]), ["2.1"])


SHAPE = TowerShape(24, 3, 4, 8, 9, 9, 4)


def test_names_are_read_as_they_are_written():
    for sender in every_sender(SHAPE):
        assert senders_named([str(sender)], SHAPE) == [sender]
    found = receivers_named(["2.3", "mlp.4", "1.1.k", READ_OUT, "2.3.q"], SHAPE)
    assert [str(r) for r in found] == ["2.3", "mlp.4", "1.1.k", READ_OUT, "2.3.q"]
    assert found[0] == Receiver(2, "head", 3)
    assert found[3] == Receiver(5, "read-out")


@pytest.mark.parametrize("name", ["5.1", "1.4.q", "1.1.z", "mlp.0", "mlp.5", "head", "0.1", ""])
def test_receivers_that_there_are_not_are_refused(name):
    with pytest.raises(InputError, match="the tower has no receiver"):
        receivers_named([name], SHAPE)


@pytest.mark.parametrize("name", ["5.1", "mlp.5", "1.1.q", "embeddings"])
def test_senders_that_there_are_not_are_refused(name):
    with pytest.raises(InputError, match="the tower has no sender"):
        senders_named([name], SHAPE)
