"""Every image of a folder is there or has the reason why not."""

from __future__ import annotations

import pandas as pd
import pytest
from PIL import Image

from negtrace.data.generated_images import generate_images
from negtrace.data.images import available, file_table, image_files
from negtrace.data.pictures import image_fault
from negtrace.errors import InputError


def items(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"item_id": [f"item-{n}" for n in names], "image_file": names})


def test_missing_corrupt_and_impossible_images_have_a_reason(tmp_path):
    folder = tmp_path / "images"
    generate_images(folder, ["good.png", "cut.png"], seed=0)
    whole = (folder / "cut.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("not a picture")
    (folder / "folder").mkdir()
    (tmp_path / "out.png").write_bytes(whole)
    names = ["good.png", "cut.png", "text.png", "gone.png", "folder", "../out.png"]
    reasons = file_table(folder, names, "folder").set_index("image_file")["reason"]
    assert reasons.index[reasons.isna()].tolist() == ["good.png"]
    for name in ("cut.png", "text.png", "folder"):
        assert reasons[name].startswith("not a readable image (")
    assert reasons["gone.png"] == "the file is missing"
    assert "not the name of a file inside the image folder" in reasons["../out.png"]


def test_a_picture_too_large_to_decode_is_a_fault(tmp_path, monkeypatch):
    Image.new("L", (8, 8)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8 * 8 // 2 - 1)
    assert "decompression bomb" in image_fault(tmp_path / "bomb.png")


def test_files_are_listed_once(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert image_files(items("b.png", "a.png", "b.png")) == ["a.png", "b.png"]


def test_only_files_without_a_fault_are_available(tmp_path):
    generate_images(tmp_path, ["b.png", "a.png"], seed=0)
    files = file_table(tmp_path, ["b.png", "a.png"], "generated")
    assert files["sha256"].nunique() == 2
    assert available(files) == ["a.png", "b.png"]
    files.loc[0, "reason"] = "HTTP 404"
    assert available(files) == ["a.png"]
    files["reason"] = "HTTP 404"
    with pytest.raises(InputError, match=r"not one image .* b\.png: HTTP 404"):
        available(files)
