"""Damaged and odd inputs: the right answer, an item left out, or an error of one line."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_alignment import CLIP, tower_shape

from negtrace.data.items import item_table
from negtrace.data.pairs import candidates
from negtrace.data.pictures import image_fault
from negtrace.data.readers.user_table import read_user_table
from negtrace.data.readers.valse import read_valse
from negtrace.data.reading import read_candidates
from negtrace.errors import InputError
from negtrace.tables.store import write_table
from negtrace.vocabulary import WORDINGS

ROUNDS, DEEP = 40, 20  # every DEEP-th goes through candidates and alignment, too

GOOD = {"image": "a.png", "caption": "There are no dogs.", "foil": "There are dogs."}
ITEMS = {str(i): {**GOOD, "image_file": "a.png", "mturk": None} for i in range(4)}
PIECES = [
    *(b'"', b"\n", b",", b";", b"\t", b"{", b"}", b"[" * 3000, b"\\ud800", b"\\u0000"),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"\xe2\x80\x99", b"\xff", b"null", b"NaN", b"1e999"),
    *(b"9" * 5000, b"\r", b"..", b"/", b"true", b"", b"\x1b[31m"),
]


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Content with some bytes cut out, changed, doubled, or pieces put in."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice([0, 0, 1, 5, 50]))
        middle = rng.choice([rng.choice(PIECES), bytes([rng.randrange(256)]), content[start:end]])
        content = content[:start] + middle * rng.choice([1, 1, 2]) + content[end:]
    return content[: rng.randrange(len(content) + 1)] if rng.random() < 0.1 else content


def outcome(read: Callable[[], pd.DataFrame], folder: Path, deep: bool = True) -> str:
    """What becomes of a file; fails unless it is one of the three that are right."""
    try:
        items = read()
    except InputError as error:
        message = str(error)
    else:
        message = None
    if message is not None:
        assert message.isprintable()
        assert len(message) < 1500
        return "refused"
    write_table(items, folder / "items.parquet", "items", {})
    assert items["item_id"].is_unique
    for wording in WORDINGS if deep else ():
        kept, rejected = candidates(items, wording)
        assert sorted([*kept["item_id"], *rejected["item_id"]]) == sorted(items["item_id"])
        write_table(kept, folder / "candidates.parquet", "candidates", {})
        write_table(rejected, folder / "rejected.parquet", "excluded", {})
        readable, _, excluded = read_candidates(kept, CLIP, tower_shape())
        assert sorted([*readable["item_id"], *excluded["item_id"]]) == sorted(kept["item_id"])
    return "left out" if items["reason"].notna().any() else "right"


def contents(folder: Path) -> dict[str, bytes]:
    """A good file of every format."""
    rows = pd.DataFrame([GOOD] * 4).assign(id=["007", "8", "9", "10"])
    rows.to_csv(folder / "a.csv", index=False)
    rows.to_csv(folder / "a.tsv", index=False, sep="\t")
    rows.to_json(folder / "a.jsonl", orient="records", lines=True)
    rows.to_json(folder / "a.json", orient="records")
    rows.to_parquet(folder / "a.parquet")
    (folder / "valse").write_text(json.dumps(ITEMS))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet", "valse"])
def test_mutated_files(tmp_path, name):
    good = contents(tmp_path)[name]
    rng, seen = random.Random(name), set()
    for number in range(ROUNDS):
        deep = number % DEEP == 0
        (tmp_path / name).write_bytes(mutated(good, rng))
        if name == "valse":
            seen.add(outcome(lambda: read_valse(tmp_path / name), tmp_path, deep))
        else:
            columns = {"id": "id"} if rng.random() < 0.5 else {}
            seen.add(outcome(lambda c=columns: read_user_table(tmp_path / name, c), tmp_path, deep))
    assert {"refused"} < seen


WORD = st.sampled_from(
    [
        *("There", "are", "is", "no", "NO", "no-one", "a", "dogs", "dog", ".", "'", "\u2019s"),
        *(
            "&nbsp;",
            "\u00a0",
            "\ufeff",
            "\u200b",
            "\ud800",
            "\U0001f415",
            "<end_of_text>",
            "&amp;lt;",
            "ﬁ",
            "\0",
        ),
    ]
)
SENTENCE = st.lists(WORD | st.text(max_size=5), max_size=9).map(" ".join) | st.text(max_size=40)
SURROGATES = st.text(st.characters(categories=["Cs", "L", "P", "Z", "C", "S"]), max_size=12)


@settings(max_examples=25, derandomize=True)
@given(st.lists(st.tuples(SENTENCE | SURROGATES, SENTENCE | SURROGATES), min_size=1, max_size=4))
def test_any_sentences(tmp_path_factory, pairs):
    rows = (
        {"item_id": str(i), "image_file": "a.png", "caption": caption, "foil": foil}
        for i, (caption, foil) in enumerate(pairs)
    )
    outcome(lambda: item_table(rows), tmp_path_factory.getbasetemp())


FORMATS = ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "AVIF", "BMP", "PPM", "ICO", "TGA", "JPEG2000"]


@pytest.mark.parametrize("form", FORMATS)
def test_mutated_pictures(tmp_path, form):
    path = tmp_path / "a"
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, form)
    good, rng = path.read_bytes(), random.Random(form)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(ROUNDS // 3):
            path.write_bytes(mutated(good, rng))
            fault = image_fault(path)
            assert fault is None or fault.isprintable()
