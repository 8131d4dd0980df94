"""The mirror gets every kind of file that a study downloads, under its address."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from negtrace.data.mirror import copy_into, downloaded
from negtrace.models.weights import Weights

CONFIG = {
    "study": {"datasets": ["far", "own"], "models": ["published", "random"]},
    "datasets": {
        "far": {
            "kind": "valse",
            "annotations": {"url": "https://host/items.json", "sha256": "0" * 64},
            "images": {"kind": "zip"},
            "subjects": {"kind": "clipseg", "model": "owner/segmenter"},
        },
        "own": {"kind": "valse", "annotations": "items.json", "images": "pictures"},
    },
}


def record(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def results(tmp_path) -> Path:
    """What a study of one downloaded and one local dataset leaves."""
    models, source = tmp_path / "models", tmp_path / "far/source"
    weights = Weights("w.bin", "0", None, {"w.bin": "https://hub/w.bin"})
    record(models / "published/weights.json", asdict(weights))
    record(models / "published/pictures.json", {"files": {}, "urls": {"p.png": "https://site/p"}})
    record(models / "random/weights.json", asdict(Weights(None, None, None, {})))
    record(source / "segmenter.json", {"folder": "x", "urls": {"s.json": "https://hub/s.json"}})
    image = source / "images/.sources/zips/a.zip/images/1.jpg"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"picture")
    return tmp_path


def test_every_download_is_listed_with_its_address(results):
    source = results / "far/source"
    assert dict(downloaded(CONFIG, results)) == {
        Path("w.bin"): "https://hub/w.bin",
        Path("p.png"): "https://site/p",
        source / "existence.json": "https://host/items.json",
        Path("s.json"): "https://hub/s.json",
        source / "images/.sources/zips/a.zip/images/1.jpg": "https://zips/a.zip/images/1.jpg",
    }


def test_files_are_copied_once(results, tmp_path):
    mirror, file = tmp_path / "mirror", tmp_path / "far/source/segmenter.json"
    assert copy_into(mirror, file, "https://host/folder/s.json")
    assert (mirror / "host/folder/s.json").read_bytes() == file.read_bytes()
    assert not copy_into(mirror, file, "https://host/folder/s.json")
