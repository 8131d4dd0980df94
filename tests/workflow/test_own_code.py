"""A reader and a model family of the user's own: what is computed, and what an edit reruns."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from checkout import Checkout
from PIL import Image

from negtrace.models import families
from negtrace.models.weights import Weights
from negtrace.tables.store import read_provenance, sha256

OWN = Path(__file__).parents[1] / "own_code"
NOUNS = ("dogs", "cats", "red vans", "trees", "people")


def test_own_reader_and_family_run_and_their_edits_rerun_what_depends_on_them(tmp_path):
    study = Checkout.create(tmp_path / "study")
    for name in ("tab_pairs.py", "tiny_clip.py"):
        shutil.copy(OWN / name, study.folder / name)
    pictures = [
        f"{number}.png | There are no {n}. | There are {n}." for number, n in enumerate(NOUNS)
    ]
    (study.folder / "items.txt").write_text("\n".join(["# header", *pictures]))
    reader = {"kind": "reader", "code": "tab_pairs.py", "file": "items.txt", "options": {"skip": 1}}
    family = {"architecture": "tiny", "family": "tiny_clip.py", "options": {"seed": 3}}

    def change(config: dict) -> None:
        config["study"].update(datasets=["lines"], models=["mine"])
        config["datasets"]["lines"] = reader | {"images": {"kind": "generated", "seed": 0}}
        config["models"]["mine"] = family

    study.configure(change)
    wanted = ("--until", "runs")
    study.run(*wanted)
    assert not study.jobs(*wanted, "-n")

    made = read_provenance(study.path("lines", "items.parquet"))
    code = study.folder / "tab_pairs.py"
    assert sha256(code) in str(made["inputs"])
    folder = study.path("lines", "mine", "rephrased")
    assert read_provenance(folder / "scores.parquet")["model"]["family"] == "tiny_clip.py"
    spec = family | {"family": str(study.folder / "tiny_clip.py")}
    loaded = families.load(spec, Weights(None, None, None, {}))
    scores = pd.read_parquet(folder / "scores.parquet").set_index("item_id")
    texts = loaded.model.encode_text(
        loaded.tokenizer.own(["There are no cats.", "There are some cats."]), normalize=True
    )
    with Image.open(study.path("lines", "source", "images", "1.png")) as picture:
        image = loaded.model.encode_image(loaded.preprocess(picture)[None], normalize=True)
    expected = loaded.model.logit_scale.exp() * (texts @ image[0])
    found = scores.loc["line 1", ["s_negated", "s_affirmative"]].astype(float)
    np.testing.assert_allclose(found, expected, atol=1e-5)

    text = code.read_text()
    code.write_text(text + "\n# edited\n")
    reran = set(study.jobs(*wanted, "-n"))
    assert {"items", "candidates"} <= reran
    assert "tower" not in reran
    code.write_text(text)
    assert not study.jobs(*wanted, "-n")
    own = study.folder / "tiny_clip.py"
    own.write_text(own.read_text() + "\n# edited\n")
    reran = set(study.jobs(*wanted, "-n"))
    assert {"weights", "tower", "alignment", "images"} <= reran
    assert "items" not in reran
