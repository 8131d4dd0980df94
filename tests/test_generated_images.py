"""Stand-in pictures are a function of name and seed, and readable."""

from __future__ import annotations

import pandas as pd
import pytest

from negtrace.errors import InputError
from negtrace.generated_images import generate_images
from negtrace.images import check_images


def test_pictures_depend_on_name_and_seed_alone(tmp_path):
    first = generate_images(tmp_path / "a", ["x.jpg", "y.jpg"], seed=0)
    again = generate_images(tmp_path / "b", ["y.jpg", "x.jpg"], seed=0)
    other = generate_images(tmp_path / "c", ["x.jpg"], seed=1)
    content = {path.name: path.read_bytes() for path in first}
    assert content == {path.name: path.read_bytes() for path in again}
    assert content["x.jpg"] != content["y.jpg"]
    assert content["x.jpg"] != other[0].read_bytes()
    check_images(
        tmp_path / "a", pd.DataFrame({"item_id": ["1", "2"], "image_file": ["x.jpg", "y.jpg"]})
    )


def test_a_name_without_an_image_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"picture\.txt: its ending is not that of an image"):
        generate_images(tmp_path, ["picture.txt"], seed=0)
    assert list(tmp_path.iterdir()) == []
