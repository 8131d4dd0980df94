"""Weights among what training code stores: the right embeddings, or one line that says why not."""

from __future__ import annotations

import argparse
import datetime
import os
import pathlib
import pickle
import random
from collections import OrderedDict, defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from checkpoint_cases import architecture, embeddings, filled, loaded, same, tiny
from safetensors.torch import save_file
from torch import nn

from negtrace.errors import InputError
from negtrace.models.checkpoints import model_weights
from negtrace.models.weight_reading import read_weight_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def config(folder) -> str:
    return architecture(folder)


@pytest.fixture(scope="module")
def model(config) -> nn.Module:
    return tiny(config)


@pytest.fixture(scope="module")
def shell(config) -> nn.Module:
    """Of the same architecture, to be filled with a file's weights."""
    return tiny(config, seed=9)


@pytest.fixture(scope="module")
def other(config) -> nn.Module:
    return tiny(config, seed=5)


def under(prefix: str, state: dict) -> dict:
    return {prefix + name: weight for name, weight in state.items()}


def saved(content: object, path: pathlib.Path) -> pathlib.Path:
    torch.save(content, path)
    return path


def refused(shell: nn.Module, path: pathlib.Path, match: str) -> str:
    with pytest.raises(InputError, match=match) as caught:
        filled(shell, path)
    return check_line(str(caught.value))


def check_line(message: str) -> str:
    assert "\n" not in message
    assert "\x1b" not in message
    assert len(message) < 1500
    assert "weights_only" not in message
    return message


WRAPPED = {
    "plain": lambda s: s,
    "state_dict": lambda s: {"state_dict": s, "epoch": 3},
    "model": lambda s: {"model": s},
    "model_state_dict": lambda s: {"model_state_dict": s, "optimizer_state_dict": {"state": {}}},
    "module.": lambda s: under("module.", s),
    "_orig_mod.": lambda s: under("_orig_mod.", s),
    "module._orig_mod.": lambda s: under("module._orig_mod.", s),
    "_orig_mod.module.": lambda s: {"state_dict": under("_orig_mod.module.", s)},
    "Lightning": lambda s: {"state_dict": under("model.", s), "hyper_parameters": {"lr": 0.1}},
    "compiled in Lightning": lambda s: {"state_dict": under("model._orig_mod.", s)},
    "DeepSpeed": lambda s: {"module": under("module.", s), "lr_scheduler": {"last": 3}},
    "nested": lambda s: {"checkpoint": {"model": {"state_dict": under("net.module.", s)}}},
    "in a list": lambda s: [s, {"epoch": 3}],
    "one name more": lambda s: under("clip_model.", s),
    "image tower compiled": lambda s: {
        n.replace("visual.", "visual._orig_mod."): w for n, w in s.items()
    },
    "FSDP": lambda s: {
        n.replace("ln_final.", "ln_final._fsdp_wrapped_module."): w
        for n, w in under("_fsdp_wrapped_module.", s).items()
    },
    "custom text": lambda s: {
        n if n.startswith("visual.") or n == "logit_scale" else f"text.{n}": w for n, w in s.items()
    },
    "numpy arrays": lambda s: {n: w.numpy() for n, w in s.items()},
    "parameters": lambda s: {n: nn.Parameter(w) for n, w in s.items()},
    "half precision": lambda s: {n: w.half() for n, w in s.items()},
    "with sizes": lambda s: {**s, "input_resolution": torch.tensor(32), "vocab_size": 49408},
    "extra logit_bias": lambda s: {**s, "logit_bias": torch.tensor(-10.0)},
    "logit_scale of one dimension": lambda s: {**s, "logit_scale": s["logit_scale"].reshape(1)},
    "position ids": lambda s: {**s, "text.transformer.embeddings.position_ids": torch.arange(77)},
    "averaged model": lambda s: {**under("module.", s), "n_averaged": torch.tensor(7)},
    "optimizer beside": lambda s: {
        "model": s,
        "optimizer": {"state": {0: {"exp_avg": torch.rand(4, 4)}}, "param_groups": []},
        "rng_state": torch.zeros(20, dtype=torch.uint8),
    },
    "loss beside": lambda s: {
        "state_dict": {**under("model.", s), "criterion.weight": torch.rand(3)}
    },
}


@pytest.mark.parametrize("how", WRAPPED)
def test_wrappers_and_prefixes_come_off(shell, how, model, tmp_path):
    state = {name: weight.clone() for name, weight in model.state_dict().items()}
    found = filled(shell, saved(WRAPPED[how](state), tmp_path / "x.pt"))
    if how == "half precision":
        assert torch.allclose(embeddings(found), embeddings(model), atol=2e-2)
    else:
        assert same(found, model)


def test_what_came_off_is_said(tmp_path, caplog):
    config = architecture(tmp_path, "tiny-clip", text_cfg={"vocab_size": 49408})
    model = tiny(config)
    content = {"state_dict": under("module.", model.state_dict())}
    found = loaded(config, saved(content, tmp_path / "x.pt"))
    assert same(found.model, model)
    assert found.identity["checkpoint"] == "file of torch.save"
    assert found.identity["checkpoint_notes"] == ["took 'state_dict.module.' off every name"]
    assert "took 'state_dict.module.' off every name" in caplog.text


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "beside",
    [
        {"best": np.float64(0.5), "accuracy": np.float32(0.25), "count": np.int64(3)},
        {"args": argparse.Namespace(lr=0.1, model="ViT-B-32")},
        {"args": SimpleNamespace(lr=0.1), "path": pathlib.PurePosixPath("/a/b")},
        {
            "out": pathlib.Path("/a"),
            "when": datetime.datetime(2024, 1, 1),
            "day": datetime.date.min,
        },
        {"history": defaultdict(list, {"loss": [1, 2]}), "curve": np.arange(4.0)},
        {pathlib.PurePosixPath("/key"): 1, "random": random.getstate()},
        {"numpy": np.random.get_state(), "cls": OrderedDict, "type": torch.float16},
        {"how": torch.optim.SGD, "device": torch.device("cpu"), "sizes": {1, 2}, "c": 1 + 2j},
    ],
    ids=lambda value: "+".join(map(str, value)) if isinstance(value, dict) else str(value),
)
def test_objects_beside_the_weights_are_no_obstacle(shell, beside, legacy, model, tmp_path):
    path = tmp_path / "x.pt"
    torch.save(
        {"state_dict": model.state_dict(), **beside},
        path,
        _use_new_zipfile_serialization=not legacy,
    )
    assert same(filled(shell, path), model)


class Mine(dict):
    """A mapping of a class that nobody else has."""


class Call:
    """Runs code when it is unpickled."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_a_class_that_is_not_there_is_no_obstacle(shell, model, tmp_path, monkeypatch):
    content = {"state_dict": model.state_dict(), "config": Mine(a=1)}
    path = saved(content, tmp_path / "x.pt")
    monkeypatch.delattr("test_checkpoints.Mine")
    assert same(filled(shell, path), model)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("function", [os.system, exec, pathlib.Path.touch])
def test_no_code_of_a_file_is_ever_run(shell, function, legacy, model, tmp_path):
    trace = tmp_path / "was-run"
    argument = {
        os.system: f"touch {trace}",
        exec: f"import pathlib; pathlib.Path({str(trace)!r}).touch()",
        pathlib.Path.touch: trace,
    }[function]
    path = tmp_path / "x.pt"
    torch.save(
        {"state_dict": model.state_dict(), "more": Call(function, argument)},
        path,
        _use_new_zipfile_serialization=not legacy,
    )
    try:
        assert same(filled(shell, path), model)
    except InputError as error:
        check_line(str(error))
    assert not trace.exists()


def test_a_pickled_module_gives_its_weights(shell, model, tmp_path):
    assert same(filled(shell, saved(model, tmp_path / "whole.pt")), model)
    assert same(filled(shell, saved({"model": model}, tmp_path / "in.pt")), model)


def test_averages_beside_the_weights_yield_to_them(shell, model, other, tmp_path):
    path = tmp_path / "x.pt"
    for key in ("model_ema", "ema_state_dict", "state_dict_ema", "teacher"):
        saved({"state_dict": model.state_dict(), key: other.state_dict()}, path)
        notes = model_weights(read_weight_file(path), shell, path).notes
        assert f"left out the copies under {key}." in notes
        assert same(filled(shell, path), model)
    both = under("model.", model.state_dict()) | under("ema_model.", other.state_dict())
    assert same(filled(shell, saved({"state_dict": both}, path)), model)
    assert same(filled(shell, saved({"model_ema": other.state_dict()}, path)), other)


def test_two_copies_are_refused_unless_they_are_equal(shell, model, other, tmp_path):
    content = {"best": model.state_dict(), "last": other.state_dict()}
    path = saved(content, tmp_path / "x.pt")
    refused(shell, path, r"two different copies .* under 'best\.' and 'last\.'")
    content["last"] = {name: weight.clone() for name, weight in model.state_dict().items()}
    assert same(filled(shell, saved(content, path)), model)
    wrapped = dict(model.state_dict()) | under("visual._orig_mod.", {"proj": torch.rand(32, 24)})
    refused(shell, saved(wrapped, path), "visual.proj twice")


def test_other_weights_beside_the_model_are_refused(shell, model, tmp_path):
    state = dict(model.state_dict())
    for adapter in (
        {"model": state, "adapter": {"fc.weight": torch.rand(3, 3)}},
        {**under("clip.", state), "prompt_learner.ctx": torch.rand(4, 4)},
        {**state, "transformer.resblocks.0.mlp.c_fc.lora_A": torch.rand(4, 4)},
    ):
        refused(shell, saved(adapter, tmp_path / "x.pt"), r"adapter\.fc|prompt_learner|lora_A")


def test_messages_name_at_most_ten_weights(shell, model, tmp_path):
    deep = {f"transformer.resblocks.{n}.ln_1.weight": torch.rand(32) for n in range(3, 60)}
    for content in (
        {**model.state_dict(), **deep},
        {"ln_final.weight": torch.rand(32)},
        {f"layer{n}.weight": torch.rand(2) for n in range(99)},
        {**{n: torch.rand(3) for n in model.state_dict()}},
    ):
        message = refused(shell, saved(content, tmp_path / "x.pt"), "x.pt")
        assert message.count(".weight") + message.count(".bias") <= 12, message


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"state": {0: {"exp_avg": torch.rand(3)}}, "param_groups": []}, "state of an optimizer"),
        ({"epoch": 3, "name": "x"}, "holds no weights"),
        ({}, "holds no weights"),
        (torch.rand(3), "no text tower"),
        ({"base_model.model.visual.lora_A.weight": torch.rand(3)}, "an adapter"),
        ({"conv1.weight": torch.rand(3), "fc.weight": torch.rand(2)}, "no text tower"),
        ("text", "holds no weights"),
        (None, "holds no weights"),
    ],
)
def test_what_holds_no_clip_is_told(shell, content, match, tmp_path):
    refused(shell, saved(content, tmp_path / "x.pt"), match)


def test_numbers_that_cannot_be_are_refused_by_name(shell, config, model, tmp_path):
    def changed(name, value):
        return saved({**model.state_dict(), name: value}, tmp_path / "x.pt")

    scale = model.state_dict()["logit_scale"]
    refused(shell, changed("logit_scale", torch.tensor(100.0)), "logit_scale is 100, .*logarithm")
    refused(shell, changed("logit_scale", torch.tensor(14.28)), "logit_scale is 14.28")
    assert filled(shell, changed("logit_scale", torch.tensor(4.6052))).logit_scale.exp() > 99
    refused(shell, changed("logit_scale", scale * torch.nan), "logit_scale holds NaN")
    visual = model.state_dict()["visual.proj"].clone()
    visual[0, 0] = torch.inf
    refused(shell, changed("visual.proj", visual), r"visual\.proj holds NaN or infinite")
    refused(shell, changed("visual.proj", visual.nan_to_num().to(torch.int8)), "quantised")


def test_another_context_length_is_refused_with_what_to_do(shell, model, tmp_path):
    state = {**model.state_dict(), "positional_embedding": torch.rand(248, 32)}
    path = saved(state, tmp_path / "long.pt")
    refused(shell, path, r"248 rows, the architecture 77; .*context_length 248")
    long = tiny(architecture(tmp_path, "tiny-long", text_cfg={"context_length": 248}))
    assert torch.equal(filled(long, path).positional_embedding, state["positional_embedding"])


def test_another_image_size_is_interpolated_and_said(model, tmp_path):
    large = tiny(architecture(tmp_path, "tiny-large", vision_cfg={"image_size": 64}))
    path = saved(dict(model.state_dict()), tmp_path / "x.pt")
    (note,) = model_weights(read_weight_file(path), large, path).notes
    assert note.startswith("interpolated visual.positional_embedding from 5 to 17 rows")
    assert torch.equal(embeddings(filled(large, path))[:2], embeddings(model)[:2])


def test_scripted_models_are_read(shell, model, tmp_path):
    path = tmp_path / "scripted.pt"
    torch.jit.script(model).save(path)
    assert same(filled(shell, path), model)
    assert read_weight_file(path).kind == "TorchScript archive"
    uncausal = tiny(architecture(tmp_path, "tiny-uncausal", text_cfg={"no_causal_mask": True}))
    refused(uncausal, path, r"attention mask .* is not that of the architecture")


def test_custom_text_towers(tmp_path):
    config = architecture(tmp_path, "tiny-custom", custom_text=True, text_cfg={"proj_bias": True})
    model, shell = tiny(config), tiny(config, seed=9)
    assert "text.text_projection.bias" in model.state_dict()
    for how in ("plain", "module.", "compiled in Lightning", "state_dict"):
        content = WRAPPED[how](dict(model.state_dict()))
        assert same(filled(shell, saved(content, tmp_path / "x.pt")), model)
    old = {name.removeprefix("text."): w for name, w in model.state_dict().items()}
    assert same(filled(shell, saved(old, tmp_path / "old.pt")), model)


def test_safetensors_with_prefixes(shell, model, tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({f"module.{n}": w.contiguous() for n, w in model.state_dict().items()}, path)
    assert same(filled(shell, path), model)


SEGMENTS = ("module", "_orig_mod", "model", "net", "clip", "state_dict", "student", "ckpt", "m-1")


def mutation(rng: random.Random, state: dict, other: dict) -> object:
    """A wrapper, prefixes and things beside, at random."""
    content: object = dict(state)
    if rng.random() < 0.15:
        name = rng.choice(sorted(content))
        content[rng.choice([name, name + "x", f"module.{name}"])] = rng.choice(
            [torch.rand(3), content[name] * torch.nan, None, "x", content[name].half()]
        )
    if rng.random() < 0.1:
        del content[rng.choice(sorted(content))]
    for _ in range(rng.randint(0, 3)):
        segment = rng.choice(SEGMENTS)
        kind = rng.randint(0, 3)
        if kind == 0 and isinstance(content, dict):
            content = {f"{segment}.{name}": value for name, value in content.items()}
        elif kind == 1:
            content = {segment: content}
        elif kind == 2:
            content = {segment: content, "epoch": 1, "best_score": np.float64(1.5)}
        else:
            content = [content, argparse.Namespace(a=pathlib.PurePosixPath("/"))]
    beside = rng.choice([None, None, "ema", "optimizer", "adapter", "twin"])
    if beside and isinstance(content, dict):
        content[beside] = {
            "ema": other,
            "optimizer": {"state": [torch.rand(3)]},
            "adapter": {"weight": torch.rand(3, 3)},
            "twin": other,
        }[beside]
    return content


def outcome(shell: nn.Module, path: pathlib.Path, model: nn.Module) -> str:
    """Right embeddings, or one line; anything else fails."""
    try:
        found = filled(shell, path)
    except InputError as error:
        check_line(str(error))
        return "refused"
    assert torch.allclose(embeddings(found), embeddings(model), atol=2e-2)
    return "right"


def test_fuzzed_checkpoints_are_right_or_refused(shell, model, other, tmp_path):
    rng = random.Random(int(os.environ.get("NEGTRACE_FUZZ_SEED", 0)))
    number = int(os.environ.get("NEGTRACE_FUZZ_NUMBER", 24))
    state, decoy = dict(model.state_dict()), dict(other.state_dict())
    outcomes = []
    for _ in range(number):
        content = mutation(rng, state, decoy)
        outcomes.append(outcome(shell, saved(content, tmp_path / "x.pt"), model))
    print({kind: outcomes.count(kind) for kind in set(outcomes)})
    assert {"right", "refused"} == set(outcomes)


def test_fuzzed_bytes_are_right_or_refused(shell, model, tmp_path):
    rng = random.Random(int(os.environ.get("NEGTRACE_FUZZ_SEED", 0)))
    number = int(os.environ.get("NEGTRACE_FUZZ_NUMBER", 16))
    plain, path = saved({"state_dict": dict(model.state_dict())}, tmp_path / "a.pt"), tmp_path / "x"
    save_file({n: w.contiguous() for n, w in model.state_dict().items()}, tmp_path / "b")
    legacy = tmp_path / "c.pt"
    torch.save(dict(model.state_dict()), legacy, _use_new_zipfile_serialization=False)
    sources = [file.read_bytes() for file in (plain, tmp_path / "b", legacy)]
    for _ in range(number):
        content = bytearray(rng.choice(sources))
        for _ in range(rng.randint(1, 6)):
            # Where names and structure lie: a flipped weight is no fault that can be seen.
            content[rng.choice([rng.randrange(900), -rng.randrange(1, 900)])] = rng.randrange(256)
        if rng.random() < 0.3:
            content = content[: rng.randrange(len(content))]
        path.write_bytes(content)
        try:
            filled(shell, path)
        except InputError as error:
            check_line(str(error))


def test_a_protocol_that_torch_does_not_read_is_one_line(shell, model, tmp_path):
    path = tmp_path / "x.pt"
    torch.save(dict(model.state_dict()), path, pickle_protocol=4)
    try:
        assert same(filled(shell, path), model)
    except InputError as error:
        check_line(str(error))
    path.write_bytes(pickle.dumps({"a": 1}))
    refused(shell, path, "cannot be read")
