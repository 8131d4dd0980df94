"""Edits of weights: the edited tower, the patched open_clip model, and hooks say the same."""

from __future__ import annotations

import copy

import pytest
import torch
from conftest import EOT, SOT, TinyModel, embedding

from negtrace.errors import InputError
from negtrace.models.open_clip_tower import text_tower
from negtrace.models.weight_edits import Edit, edited, scaled
from negtrace.models.weight_patch import apply_patch, patch_bytes, read_patch
from negtrace.patching.forward_passes import run_sentences

SENTENCE = [SOT, 5, 9, 17, 30, EOT]


def an_edit(tiny: TinyModel) -> Edit:
    shape = tiny.tower.shape
    vector = torch.linspace(-1, 1, shape.width)
    return Edit({(1, 2): 0.5, (shape.layers, 1): 3.0, (1, 1): 0.0}, {2: vector})


def own_state(tiny: TinyModel) -> dict[str, torch.Tensor]:
    return {name: w.clone() for name, w in tiny.model.state_dict().items()}


def by_tower(tiny: TinyModel, edit: Edit) -> torch.Tensor:
    tokens = tiny.tower.shape.complete(SENTENCE)
    return run_sentences(edited(tiny.tower, edit), [tokens]).embedding[0]


def test_a_patched_model_is_the_edited_tower(tiny, tmp_path):
    edit, file = an_edit(tiny), tmp_path / "patch.safetensors"
    file.write_bytes(patch_bytes(tiny.tower, edit, {"why": "test"}))
    if tiny.structure in ("bert_first", "roberta_mean"):
        with pytest.raises(InputError, match="text tower of transformers cannot be patched"):
            apply_patch(tiny.model, file)
        return
    before, state = embedding(tiny, SENTENCE), own_state(tiny)
    expected = by_tower(tiny, edit)  # before: the tower shares the model's weights
    with apply_patch(tiny.model, file):
        patched = embedding(tiny, SENTENCE)
        assert not torch.equal(patched, before)
        torch.testing.assert_close(patched, expected, atol=1e-9, rtol=0)
        with pytest.raises(InputError, match="other weights than the model's text tower has"):
            apply_patch(tiny.model, file)
    assert all(torch.equal(w, state[name]) for name, w in tiny.model.state_dict().items())


def test_an_added_vector_is_that_of_a_hook(causal):
    vector = torch.linspace(-1, 1, causal.tower.shape.width, dtype=torch.float64)
    block = causal.model.transformer.resblocks[1]
    hook = block.register_forward_hook(lambda *of: of[2] + vector)
    try:
        hooked = embedding(causal, SENTENCE)
    finally:
        hook.remove()
    torch.testing.assert_close(hooked, by_tower(causal, Edit(added={2: vector})), atol=1e-9, rtol=0)


def test_a_factor_of_one_and_no_parts_change_nothing(causal, tmp_path):
    plain = by_tower(causal, Edit())
    assert torch.equal(plain, by_tower(causal, scaled([(1, 1), (2, 2)], 1.0)))
    file = tmp_path / "patch.safetensors"
    file.write_bytes(patch_bytes(causal.tower, Edit(), {}))
    state = own_state(causal)
    apply_patch(causal.model, file)
    assert all(torch.equal(w, state[name]) for name, w in causal.model.state_dict().items())


def test_a_patch_says_what_it_is(causal, tmp_path):
    edit, file = an_edit(causal), tmp_path / "patch.safetensors"
    file.write_bytes(patch_bytes(causal.tower, edit, {"strength": 3}))
    read, made = read_patch(file)
    assert dict(read.scales) == dict(edit.scales)
    assert torch.equal(read.added[2], edit.added[2])
    assert made["about"] == {"strength": 3}
    assert made["shape"] == {"layers": 3, "heads": 3, "width": 24}


def test_the_same_edit_is_the_same_bytes(causal):
    about = {"seed": 0, "strength": 3}
    files = {patch_bytes(causal.tower, an_edit(causal), about) for _ in range(20)}
    assert len(files) == 1


def test_other_models_and_files_are_refused(causal, tiny_models, tmp_path):
    file = tmp_path / "patch.safetensors"
    file.write_bytes(patch_bytes(causal.tower, an_edit(causal), {}))
    with pytest.raises(InputError, match="with heads 3; this one has 2"):
        apply_patch(tiny_models["deep_narrow"].model, file)
    other = copy.deepcopy(causal.model)
    with torch.no_grad():
        other.ln_final.bias[0] += 1e-3
    assert text_tower(other).shape == causal.tower.shape
    with pytest.raises(InputError, match="load the model that it was made for") as error:
        apply_patch(other, file)
    assert "\n" not in str(error.value)
    (tmp_path / "text").write_text("no")
    for odd in (tmp_path / "text", tmp_path / "gone"):
        with pytest.raises(InputError, match="no readable patch"):
            apply_patch(causal.model, odd)
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="no weight patch of this version"):
        apply_patch(causal.model, tmp_path / "weights.safetensors")
