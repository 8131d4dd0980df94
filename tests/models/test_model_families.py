"""Model families of users' own, through the steps that load a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from negtrace.errors import InputError
from negtrace.models import families
from negtrace.models.tower_file import load_tower
from negtrace.models.tower_of_model import tower_of
from negtrace.models.weights import Weights
from negtrace.patching.self_check import check_tower
from negtrace.steps.__main__ import main

OWN = Path(__file__).parents[1] / "own_code" / "tiny_clip.py"
NOTHING = Weights(None, None, None, {})


def entry(code: Path) -> dict:
    return {"architecture": "tiny", "family": str(code), "options": {"seed": 3}}


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    """The family with changes to its code."""
    text = OWN.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "changed.py"
    path.write_text(text)
    return path


def tower_step(folder: Path, code: Path) -> int:
    """Run the steps `weights` and `tower`; returns the exit status."""
    spec = json.dumps(entry(code))
    fetching = ["--mirror=", "--offline=1", "--connections=1"]
    weights = folder / "weights.json"
    assert main(["weights", f"--spec={spec}", f"--weights={weights}", *fetching]) == 0
    options = [f"--weights={weights}", f"--spec={spec}", "--threads=1"]
    return main(["tower", *options, f"--description={folder / 'tower.json'}"])


def test_a_tower_of_a_users_family_is_stored_with_its_codes_hash(tmp_path):
    assert tower_step(tmp_path, OWN) == 0
    stored = load_tower(tmp_path)
    loaded = families.load(entry(OWN), NOTHING)
    assert stored.identity.items() >= (loaded.identity | {"file_sha256": None}).items()
    assert stored.identity["family"] == str(OWN)
    assert len(stored.identity["family_version"]) == 64
    assert stored.identity["logit_scale"] == pytest.approx(torch.tensor(3.0).exp().item())
    assert not stored.identity["random"]
    check_tower(loaded.model, stored, loaded.tokenizer, ["There are no small dogs."])
    other = families.load(entry(OWN) | {"options": {"seed": 4}}, NOTHING)
    assert other.identity["weights_sha256"] != stored.identity["weights_sha256"]


def test_a_family_may_load_a_model_built_as_open_clips_are(causal):
    loaded = families.LoadedModel(causal.model, None, families.Tokenizer(None, None, 1, 0), {})
    tower = tower_of(loaded, {"weights": "own"})
    assert tower.identity == {"weights": "own"}
    assert tower.weights.keys() == causal.tower.weights.keys()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def load(", "def loads(", "has no function load(); add one"),
        ("    torch.manual_seed(", "    1 / 0, (", "load() fails (ZeroDivisionError"),
        ("return LoadedModel(", "return (", "load() returns no LoadedModel but a tuple"),
        ("def encode_image(", "def encode(", "a model without encode_image(batch, normalize=True)"),
        ("self.logit_scale =", "self.scale =", "a model without logit_scale"),
        ("own=padded", "own=None", "no Tokenizer with `own`"),
        ("tokenizer(), {}", "tokenizer(), {1: {2}}", "an identity that JSON cannot hold"),
        ("return TextTower(", "return (", "tower() returns no TextTower but a tuple"),
        (
            "model.to_shared.weight.T",
            "model.to_shared.weight",
            "tower() refuses: weight 'projection'",
        ),
        ("nn.Linear(3 * 8 * 8, EMBED)", "nn.Linear(192, 5)", "encode_image() gives [1, 5]"),
        ("resize((8, 8))", "resize((8, 9))", "encode_image() fails (RuntimeError"),
        ("F.gelu(", "F.silu(", "departs from the model's own encode_text"),
        ("is_causal=True", "is_causal=False", "departs from the model's own encode_text"),
        ("return TextTower(", "raise KeyError(", "tower() fails (KeyError"),
    ],
)
def test_wrong_families_are_refused_in_one_line(tmp_path, capsys, old, new, message):
    code = written(tmp_path, (old, new))
    assert tower_step(tmp_path, code) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert message in printed
    assert not (tmp_path / "tower.json").exists()


def test_a_file_of_weights_is_recorded(tmp_path):
    file = tmp_path / "mine.bin"
    file.write_bytes(b"numbers")
    spec = json.dumps(entry(OWN) | {"weights": str(file)})
    made = tmp_path / "weights.json"
    fetching = ["--mirror=", "--offline=1", "--connections=1"]
    assert main(["weights", f"--spec={spec}", f"--weights={made}", *fetching]) == 0
    assert json.loads(made.read_text())["checkpoint"] == str(file)


def test_a_family_that_is_not_installed_is_an_error():
    with pytest.raises(InputError, match=r"gone: import fails \(KeyError"):
        families.load({"architecture": "tiny", "family": "gone"}, NOTHING)
