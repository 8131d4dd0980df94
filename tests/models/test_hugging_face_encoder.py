"""Text towers of transformers in open_clip: the same embeddings, the words' tokens, refusals."""

from __future__ import annotations

import json

import open_clip
import pandas as pd
import pytest
import torch
from hugging_face_encoders import SENTENCES, configuration, model_of, tokenizer
from torch import nn

from negtrace.errors import InputError
from negtrace.fetching.downloads import Downloads
from negtrace.models.alignment import align
from negtrace.models.model_specs import ModelSpec, preflight
from negtrace.models.open_clip_tokenizers import as_tokenizer
from negtrace.models.open_clip_tower import text_tower
from negtrace.models.openclip import load
from negtrace.models.tower_file import load_tower, save_tower
from negtrace.models.weights_download import fetch_weights
from negtrace.patching.forward_passes import run_sentences
from negtrace.patching.self_check import check_tower
from negtrace.trace import trace

FAMILIES = {"bert": 0, "roberta": 1, "xlm-roberta": 1}  # and their padding token
POOLERS = ("mean_pooler", "cls_pooler", "cls_last_hidden_state_pooler")


@pytest.fixture(params=list(FAMILIES))
def family(request, tmp_path):
    """(name, folder of its tokenizer and configuration, the tokenizer)."""
    name, folder = request.param, tmp_path / "text"
    return name, folder, tokenizer(folder, name)


def config_of(family, **text):
    name, folder, made = family
    return configuration(folder, name, FAMILIES[name], len(made.tokenizer), **text)


@pytest.mark.parametrize("pooler", POOLERS)
@pytest.mark.parametrize("projection", ["linear", "mlp"])
@torch.no_grad()
def test_embeddings_are_open_clips(family, pooler, projection, tmp_path):
    model = model_of(config_of(family, hf_pooler_type=pooler, hf_proj_type=projection))
    made = family[2]
    tower = text_tower(model, pad_id=made.tokenizer.pad_token_id)
    expected = model.encode_text(made(SENTENCES), normalize=True)
    cut = as_tokenizer(made)
    found = run_sentences(tower, [cut.encode(text) for text in SENTENCES]).embedding
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    assert (expected[0] - expected[1]).abs().max() > 1e-3
    check_tower(model, tower, cut, [*SENTENCES, "no " * 80])  # longer than open_clip's 77
    save_tower(tower, tmp_path / "tower")
    stored = load_tower(tmp_path / "tower", "float64")
    assert stored.shape == tower.shape
    check_tower(model, stored, cut, SENTENCES)


@torch.no_grad()
def test_facts_of_a_post_norm_tower(family):
    """Hidden states 0..L at all positions give the source run; 0 at the determiner does as well."""
    made = family[2]
    model = model_of(config_of(family, hf_pooler_type="mean_pooler"))
    cells = trace(model, made, SENTENCES[0], SENTENCES[1], torch.randn(12))
    at = cells[cells["role"] == "determiner"].set_index("layer")["restoration"]
    assert at[0] == pytest.approx(1)
    assert cells.loc[cells["layer"] == 2, "restoration"].abs().min() > 1e-9  # all are read out
    first = model_of(config_of(family, hf_pooler_type="cls_pooler"))
    cells = trace(first, made, SENTENCES[0], SENTENCES[1], torch.randn(12))
    last = cells[cells["layer"] == 2].set_index("position")["restoration"]
    assert last[0] == 1
    assert (last.drop(0) == 0).all()


def places(sentence: str, word: str) -> str:
    start = sentence.index(word)
    return f"{start}-{start + len(word)}"


@pytest.mark.parametrize(
    ("negated", "affirmative", "word"),
    [
        (*SENTENCES[:2], "no"),
        (*SENTENCES[2:4], "not"),
        ("It isn't raining.", "It is raining.", "isn't"),
    ],
)
def test_the_negators_tokens_are_found(family, negated, affirmative, word):
    cut = as_tokenizer(family[2])
    shape = text_tower(model_of(config_of(family)), pad_id=cut.pad_id).shape
    pairs = pd.DataFrame([{"pair_id": "a", "negated": negated, "affirmative": affirmative}]).assign(
        negator_at=places(negated, word)
    )
    table = align(pairs, cut, shape)
    found = table.loc[table["negator"], "token"].str.cat()
    assert found.replace("##", "").strip(" ▁Ġ") == word
    rows = table[table["polarity"] == "negated"]
    assert rows["role"].iloc[0] == "SOT"
    assert rows["role"].iloc[-1] == "EOT"
    if word == "no":
        assert rows.loc[rows["negator"], "role"].tolist() == ["determiner"]


def test_weights_and_configuration_of_a_folder(family, tmp_path):
    """The way of the pipeline: a configuration file, weights in a file, all of it local."""
    config = config_of(family)
    config["text_cfg"] |= {"hf_model_name": "text", "hf_tokenizer_name": "text"}
    (tmp_path / "mine.json").write_text(json.dumps(config))
    first = load(ModelSpec(str(tmp_path / "mine.json"), "random"))
    torch.save(first.model.state_dict(), tmp_path / "mine.pt")
    spec = ModelSpec(str(tmp_path / "mine.json"), str(tmp_path / "mine.pt"))
    found = fetch_weights(spec, tmp_path / "fetched", Downloads(offline=True))
    again = load(spec, found.checkpoint, found.tokenizer)
    assert again.identity["weights_sha256"] == first.identity["weights_sha256"]
    check_tower(
        again.model, text_tower(again.model, pad_id=again.tokenizer.pad_id), again.tokenizer
    )


def test_a_text_model_of_the_hub_is_fetched_without_its_weights(tmp_path):
    """Its configuration comes with its tokenizer, from the mirror; later jobs need no network."""
    place = tmp_path / "mirror/huggingface.co/owner/text/resolve/main"
    made = tokenizer(place, "roberta")
    config = configuration(place, "roberta", 1, len(made.tokenizer))
    config["text_cfg"] |= {"hf_model_name": "owner/text", "hf_tokenizer_name": "owner/text"}
    (tmp_path / "of-hub.json").write_text(json.dumps(config))
    spec = ModelSpec(str(tmp_path / "of-hub.json"), "random")
    downloads = Downloads(tmp_path / "mirror", offline=True)
    found = fetch_weights(spec, tmp_path / "fetched", downloads)
    loaded = load(spec, found.checkpoint, found.tokenizer)
    assert type(loaded.model.text.transformer).__name__ == "RobertaModel"
    check_tower(loaded.model, text_tower(loaded.model, pad_id=1), loaded.tokenizer)
    configuration(place, "mt5", 1, 50)
    with pytest.raises(InputError, match="T5 has no positional embedding"):
        fetch_weights(spec, tmp_path / "again", downloads)
    assert not (tmp_path / "again" / "checkpoint").exists()


def hooked(model):
    model.text.transformer.encoder.layer[0].output.register_forward_hook(lambda m, a, out: 2 * out)


def another_part(model):
    class Linear(nn.Linear):
        """As adapters of peft wrap a layer."""

    Linear.__module__ = "peft.tuners.lora.layer"
    model.text.transformer.encoder.layer[1].output.dense = Linear(40, 24)


def decoder(model):
    model.text.config.is_decoder = True


def maximum(model):
    model.text.pooler = open_clip.hf_model.MaxPooler()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (hooked, r"text\.transformer\.encoder\.layer\.0\.output has a forward hook"),
        (another_part, r"layer\.1\.output\.dense .* merge_and_unload"),
        (decoder, "or a decoder"),
        (maximum, "pools by MaxPooler"),
    ],
)
def test_what_is_off_is_refused_by_name(tmp_path, change, reason):
    made = tokenizer(tmp_path / "text", "bert")
    model = model_of(configuration(tmp_path / "text", "bert", 0, len(made.tokenizer)))
    change(model)
    with pytest.raises(InputError, match=reason):
        trace(model, made, *SENTENCES[:2], torch.randn(12))


def test_padding_inside_a_sentence_and_another_padding_token_are_refused(tmp_path):
    made = tokenizer(tmp_path / "text", "bert")
    model = model_of(configuration(tmp_path / "text", "bert", 0, len(made.tokenizer)))
    with pytest.raises(InputError, match="holds the padding token"):
        trace(model, made, "There are no [PAD] stars.", SENTENCES[1], torch.randn(12))
    with pytest.raises(InputError, match=r"pads with token 3, the model hides 0"):
        text_tower(model, pad_id=3)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mt5-base-ViT-B-32", "T5 has no positional embedding"),
        ("nllb-clip-large", "sinusoidal positions"),
    ],
)
def test_other_families_are_refused_by_name(name, reason):
    with pytest.raises(InputError, match=reason):
        preflight(ModelSpec(name, "random"))


def test_a_type_that_only_its_configuration_tells_is_refused(tmp_path):
    config = configuration(tmp_path / "text", "distilbert", 0, 50)
    (tmp_path / "mine.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"of type distilbert; bert, roberta, xlm-roberta"):
        preflight(ModelSpec(str(tmp_path / "mine.json"), "random"))
    config = configuration(tmp_path / "text", "bert", 0, 50, hf_pooler_type="max_pooler")
    (tmp_path / "mine.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="pooled by max_pooler"):
        preflight(ModelSpec(str(tmp_path / "mine.json"), "random"))
