"""Subspace interchange: the engine against hooks on open_clip, and facts of any direction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import STRUCTURES, TinyModel
from test_restoration import LOGIT_SCALE, PAIRS, TOLERANCE, Study

from negtrace.errors import InputError
from negtrace.patching.interventions import Intervention
from negtrace.patching.role_states import role_states
from negtrace.patching.sentences import sentence_pairs
from negtrace.patching.slow_twin import activations, replaced_embedding
from negtrace.patching.subspace import Subspace
from negtrace.vocabulary import BASE_OF, SOURCE_OF

KIND = Intervention("resid", donor="given")


def directions(study: Study, seed: int, roles=None) -> dict:
    """Random directions of two groups of pairs, at every role."""
    shape, generator = study.tiny.tower.shape, torch.Generator().manual_seed(seed)
    roles = sorted(set(study.alignment["role"])) if roles is None else roles
    noise = {
        (group, role): torch.randn(
            shape.layers + 1, shape.width, generator=generator, dtype=torch.float64
        )
        for group in ("even", "odd")
        for role in roles
    }
    return {key: x / x.norm(dim=-1, keepdim=True) for key, x in noise.items()}


def groups(study: Study) -> dict[str, str]:
    pairs = sentence_pairs(study.alignment)
    return {pair.pair_id: ("even", "odd")[i % 2] for i, pair in enumerate(pairs)}


def swept(study: Study, read: dict, write: dict, direction: str = "negate", **options):
    subspace = Subspace(direction, groups(study), read, write)
    return study.sweep(KIND, direction, stand_in=subspace.stand_in, **options)


def twin_score(study: Study, row, read: dict, write: dict, direction: str) -> float:
    """Score of a cell by hooks on open_clip, the state moved along the direction by hand."""
    pair = next(p for p in sentence_pairs(study.alignment) if p.pair_id == row.pair_id)
    base, source = pair.sentence(BASE_OF[direction]), pair.sentence(SOURCE_OF[direction])
    tokens, places = study.as_open_clip_reads(base)
    source_tokens, source_places = study.as_open_clip_reads(source)
    states, theirs = (
        activations(study.tiny.model, of, "resid", [row.layer])[row.layer]
        for of in (tokens, source_tokens)
    )
    key = (groups(study)[row.pair_id], row.role)
    padded = [
        i for i, role in enumerate(base.roles) if role == "padding" and base.counterparts[i] >= 0
    ]
    targets = padded if row.role == "padding" else [row.position]
    for target in targets:
        place, origin = places[target], source_places[base.counterparts[target]]
        change = theirs[0, origin] - states[0, place]
        states[0, place] += (change @ read[key][row.layer]) * write[key][row.layer]
    at = [places[target] for target in targets]
    embedding = replaced_embedding(study.tiny.model, tokens, "resid", {row.layer: states}, at, at)
    image = study.images.loc[study.items["item_id"] == row.item_id, "embedding"].iloc[0]
    return LOGIT_SCALE * float(embedding.numpy() @ image)


@pytest.mark.parametrize(
    ("structure", "direction"),
    [*((structure, "negate") for structure in STRUCTURES), ("causal_gelu", "affirm")],
)
def test_every_cell_equals_hooks_on_open_clip(tiny_models, structure, direction):
    study = Study(tiny_models[structure], items_per_pair=1)
    read, write = directions(study, 0), directions(study, 1)
    table = swept(study, read, write, direction)
    cells = table[table["eligible"]]
    base = study.scores.set_index("item_id")[f"s_{BASE_OF[direction]}"]
    moved = np.abs(cells["s_patched"] - base.loc[cells["item_id"]].to_numpy())
    assert moved.max() > 0.01
    some = cells.sample(min(12, len(cells)), random_state=0)
    some = pd.concat([some, cells.loc[[moved.idxmax()]]])
    expected = [twin_score(study, row, read, write, direction) for row in some.itertuples()]
    np.testing.assert_allclose(some["s_patched"], expected, atol=TOLERANCE, rtol=0)


def test_float32_is_exact_up_to_rounding(causal):
    study = Study(causal)
    read = directions(study, 0)
    exact = swept(study, read, read)
    study.tiny = TinyModel("float32", None, causal.tower.to(dtype=torch.float32))
    single = swept(study, read, read)
    assert (exact["s_patched"] - single["s_patched"]).abs().max() < 1e-4


def test_memory_changes_nothing(causal):
    study = Study(causal)
    read = directions(study, 0)
    pd.testing.assert_frame_equal(
        swept(study, read, read), swept(study, read, read, memory_gb=1e-6), rtol=1e-12
    )


def test_along_the_difference_itself_the_whole_state_is_exchanged(causal):
    """One pair: its own difference is the direction."""
    study = Study(causal, PAIRS[:1])
    pairs = sentence_pairs(study.alignment)
    own = {}
    for role in set(study.alignment["role"]):
        for states in role_states(causal.tower, pairs, role, "negate"):
            if len(states.pairs) == 1:
                change = (states.source - states.base)[:, 0]
                own["even", role] = change / change.norm(dim=-1, keepdim=True).clamp(min=1e-30)
    assert len(own) >= 3
    along, full = swept(study, own, own), study.sweep("resid", "negate")
    single = full["role"].isin([role for _, role in own])
    np.testing.assert_allclose(
        along.loc[single, "s_patched"], full.loc[single, "s_patched"], atol=1e-9
    )


def test_where_there_is_no_direction_nothing_moves(causal):
    study = Study(causal)
    table = swept(study, only := directions(study, 0, ["EOT"]), only)
    base = study.scores.set_index("item_id")["s_affirmative"]
    moved = np.abs(table["s_patched"] - base.loc[table["item_id"]].to_numpy()) > 1e-9
    assert set(table.loc[moved, "role"]) == {"EOT"}


def test_states_of_a_role_are_those_of_the_forward_pass(tiny_models):
    study = Study(tiny_models["causal_quick_gelu"])
    tower, pairs = study.tiny.tower, sentence_pairs(study.alignment)
    role = "subject_rest" if "subject_rest" in set(study.alignment["role"]) else "shared_after"
    whole = list(role_states(tower, pairs, role, "negate"))
    parts = list(role_states(tower, pairs, role, "negate", memory_gb=1e-9))
    assert len(parts) > len(whole) == 1
    for name in ("source", "base"):
        together = torch.cat([getattr(part, name) for part in parts], dim=1)
        torch.testing.assert_close(together, getattr(whole[0], name))
    rows = [
        (i, position, origin)
        for i, pair in enumerate(pairs)
        for position, origin in enumerate(pair.affirmative.counterparts)
        if origin >= 0 and pair.affirmative.roles[position] == role
    ]
    assert len(rows) > len(pairs) / 2
    assert whole[0].pairs == [i for i, *_ in rows]
    for row, (i, position, origin) in enumerate(rows):
        for states, sentence, at in (
            (whole[0].base, pairs[i].sentence(BASE_OF["negate"]), position),
            (whole[0].source, pairs[i].sentence(SOURCE_OF["negate"]), origin),
        ):
            seen = activations(study.tiny.model, sentence.tokens, "resid", [2])[2][0, at]
            torch.testing.assert_close(states[2, row], seen)


def test_a_given_donor_needs_its_run(causal):
    with pytest.raises(InputError, match="stand_in"):
        Study(causal).sweep(KIND, "negate")
