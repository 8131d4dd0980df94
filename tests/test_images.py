"""Missing and corrupt images are all named before a model is loaded."""

from __future__ import annotations

import pandas as pd
import pytest
from PIL import Image

from negtrace.errors import InputError
from negtrace.images import check_images, generate_images, image_files


def items(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"item_id": [f"item-{n}" for n in names], "image_file": names})


def test_generated_images_are_a_function_of_their_name(tmp_path):
    generate_images(tmp_path / "a", ["x.jpg", "y.jpg"])
    generate_images(tmp_path / "b", ["y.jpg"])
    assert (tmp_path / "a/y.jpg").read_bytes() == (tmp_path / "b/y.jpg").read_bytes()
    assert (tmp_path / "a/x.jpg").read_bytes() != (tmp_path / "a/y.jpg").read_bytes()
    check_images(tmp_path / "a", items("x.jpg", "y.jpg"))


def test_missing_and_corrupt_images_are_named_with_an_item(tmp_path):
    generate_images(tmp_path, ["good.png", "cut.png"])
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


def test_files_are_listed_once(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert image_files(items("b.png", "a.png", "b.png")) == ["a.png", "b.png"]
