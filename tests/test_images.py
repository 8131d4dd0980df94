"""Missing and corrupt images are all named before a model is loaded."""

from __future__ import annotations

import pandas as pd
import pytest
from PIL import Image

from negtrace.errors import InputError
from negtrace.generated_images import generate_images
from negtrace.images import available, check_images, file_table, image_fault, image_files


def items(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"item_id": [f"item-{n}" for n in names], "image_file": names})


def test_missing_and_corrupt_images_are_named_with_an_item(tmp_path):
    generate_images(tmp_path, ["good.png", "cut.png"], seed=0)
    whole = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(InputError) as error:
        check_images(tmp_path, items("good.png", "cut.png", "text.png", "gone.png"))
    message = str(error.value)
    assert "3 of the dataset's images" in message
    assert "gone.png (item item-gone.png): the file is missing" in message
    assert "cut.png (item item-cut.png): not a readable image" in message
    assert "text.png" in message
    assert "good.png" not in message


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
