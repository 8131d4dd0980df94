"""What a file of weights is: told from its content, in one line, before anything is computed."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest
import torch
from checkpoint_cases import architecture, filled, same, tiny
from safetensors.torch import save_file

from negtrace.errors import InputError
from negtrace.models.weight_files import files_of, kind_of, weight_file
from negtrace.models.weight_reading import read_weight_file


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny(architecture(tmp_path_factory.mktemp("files"), "tiny-files"))


@pytest.fixture
def state(model) -> dict[str, torch.Tensor]:
    return {name: weight.clone().contiguous() for name, weight in model.state_dict().items()}


def sharded(state: dict, folder: Path, stem: str = "model", ending: str = ".safetensors") -> Path:
    """The weights in two shards; returns the index."""
    folder.mkdir(exist_ok=True)
    names, where = sorted(state), {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        shard = folder / f"{stem}-0000{number}-of-00002{ending}"
        weights = {name: state[name] for name in part}
        save_file(weights, shard) if ending == ".safetensors" else torch.save(weights, shard)
        where |= dict.fromkeys(part, shard.name)
    index = folder / f"{stem}{ending}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return index


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "Git LFS pointer"),
        (b"<!doctype html><html>404</html>", "a web page"),
        (b"<HTML><body>", "a web page"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"GGUF\x03", "a GGUF file"),
        (gzip.compress(b"x", mtime=0), "a gzip file; unpack it"),
        (b'{"embed_dim": 3}', "a JSON file, not weights"),
        (b'{"embed_dim": ', "neither weights nor valid JSON"),
        (b'{"weight_map": {}}', "weight_map names no files"),
        (b'{"weight_map": {"a": "../x.bin"}}', "weight_map names no files beside it"),
        (b'{"weight_map": {"a": "gone.bin"}}', "shards are missing beside it: gone.bin"),
        (b"PK\x03\x04 not really", "cut off or damaged"),
        (b"just text", "no file of weights"),
        ((10**6).to_bytes(8, "little") + b'{"a":', "cut off"),
        (b"\x80\x02}q\x00.", "holds no weights|cannot be read"),
    ],
)
def test_what_is_no_weights_is_named(content, reason, model, tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        filled(model, path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_archives_of_other_things_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(InputError, match="a zip archive; unpack it"):
        kind_of(tmp_path / "x.pt")
    with pytest.raises(InputError, match="cannot be read"):
        kind_of(tmp_path / "gone.pt")


@pytest.mark.parametrize("ending", [".safetensors", ".bin"])
def test_shards_are_read_by_their_index_and_alone_refused(ending, model, state, tmp_path):
    index = sharded(state, tmp_path / "shards", ending=ending)
    shell = tiny(architecture(tmp_path, "tiny-shell"), seed=9)
    assert same(filled(shell, index), model)
    assert len(files_of(index)) == 3
    one = index.parent / f"model-00001-of-00002{ending}"
    for refused in (files_of, read_weight_file):
        with pytest.raises(InputError, match=r"shard 1 of 2 of the weights.*index\.json"):
            refused(one)
    one.unlink()
    with pytest.raises(InputError, match="shards are missing beside it: model-00001"):
        files_of(index)


def test_a_shard_without_its_weights_is_refused(state, tmp_path):
    index = sharded(state, tmp_path / "shards")
    save_file({"x": torch.rand(2)}, index.parent / "model-00001-of-00002.safetensors")
    with pytest.raises(InputError, match=r"its shards lack .* and \d+ more; download them again"):
        read_weight_file(index)


def test_a_folder_is_searched_in_a_known_order(state, tmp_path):
    with pytest.raises(InputError, match="no file of weights; name the file"):
        weight_file(tmp_path)
    sharded(state, tmp_path)
    assert weight_file(tmp_path).name == "model.safetensors.index.json"
    save_file(state, tmp_path / "open_clip_model.safetensors")
    assert weight_file(tmp_path).name == "open_clip_model.safetensors"
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.pt").write_bytes(b"x")
    assert weight_file(other).name == "a.pt"
    (other / "b.pt").write_bytes(b"x")
    with pytest.raises(InputError, match=r"several files of weights \(a\.pt, b\.pt\)"):
        weight_file(other)
