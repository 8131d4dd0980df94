"""The field's benchmarks: small files of ours in their formats, and samples of the real ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from negtrace.data.contrasts import Contrast
from negtrace.data.items import ITEM_COLUMNS
from negtrace.data.pairs import candidates
from negtrace.data.readers.registry import READERS, read_items
from negtrace.errors import InputError
from negtrace.statistics.clusters import cluster_ids
from negtrace.study.dataset_kinds import kinds

SAMPLES = Path(__file__).parents[1] / "samples" / "benchmarks"
SHARED = Path(__file__).parents[2].parent / "shared" / "benchmarks"


def read(kind: str, path: Path | str, **options) -> pd.DataFrame:
    items = read_items(SAMPLES / path, {"kind": kind, **options})
    assert list(items.columns) == ITEM_COLUMNS
    assert items["item_id"].is_unique
    return items


def usable(items: pd.DataFrame) -> pd.DataFrame:
    return items[items["reason"].isna()].set_index("item_id")


def reasons(items: pd.DataFrame) -> dict[str, str]:
    return dict(items.dropna(subset="reason")[["item_id", "reason"]].itertuples(index=False))


def test_every_kind_of_file_has_a_reader():
    assert set(READERS) | {"reader"} == set(kinds()) | {"scenes"}


def test_negbench_multiple_choice():
    items = read("negbench", "negbench_mcq.csv")
    found = usable(items)
    assert list(found.index) == [
        *(f"1:caption_{i}" for i in (1, 2, 3)),
        *(f"2:caption_{i}" for i in (0, 1, 2)),
        "3:caption_3",
    ]
    assert found["group"].tolist() == ["1"] * 3 + ["2"] * 3 + ["3"]
    assert set(found["image_file"]) == {"001.jpg", "002.jpg", "003.jpg"}
    # The answer is the column that correct_answer names.
    assert found.loc["2:caption_0", "caption"] == "This image shows a drum, but lacks a vase."
    assert found.loc["2:caption_0", "foil"] == "This image shows a vase."
    said = reasons(items)
    assert said["3:caption_0"] == "its caption_0 holds words of a language model, no caption"
    assert said["3:caption_2"] == "its caption_2 holds words of a language model, no caption"
    assert said["4"] == "its correct_answer is '7', which is no caption's number"
    assert said["5:caption_1"] == "it is about a video, not an image"
    assert said["6"].startswith("row 6 (line 7) has 3 fields")


def test_negbench_pairs_are_negations_scopes_or_neither():
    items = read("negbench", "negbench_mcq.csv")
    accepted, rejected = candidates(items, "standard")
    found = accepted.set_index("item_id")
    assert list(found.index) == ["1:caption_2", "2:caption_0", "3:caption_3"]
    assert found["negator"].tolist() == ["not", "lacks", "not"]
    assert found["negation"].tolist() == ["caption", "caption", "foil"]
    said = reasons(rejected)
    assert said["1:caption_1"] == "scope: both sentences are negated (“not”)"
    assert said["2:caption_1"] == "scope: both sentences are negated (“lacks”, “no”)"
    assert said["2:caption_2"].startswith("scope: what is negated")
    assert said["3:caption_2"] == reasons(items)["3:caption_2"]
    assert len(set(cluster_ids(found))) == 3


def test_negbench_templates():
    items = read("negbench", "negbench_mcq.csv", templates=["negative"])
    assert set(usable(items)["group"]) == {"1"}
    assert "its template is hybrid" in reasons(items)["2:caption_0"]


def test_negbench_retrieval():
    items = read("negbench", "negbench_retrieval.csv", parts=2)
    found = usable(items)
    assert found["foil"].to_dict() == {
        "1:1": "A vase on a desk. There is a kite in the image.",
        "1:2": "There is an oven in the image. It's a vase.",
    }
    assert set(found["image_file"]) == {"photos/001.jpg"}
    assert set(found["group"]) == {"1"}
    assert "which a foil could deny" in reasons(items)["1:3"]
    assert reasons(items)["2"] == "its cell of captions holds no list of sentences"


def test_pictures_of_one_name_are_not_taken_for_one(tmp_path):
    path = tmp_path / "mcq.csv"
    header = "image_path,correct_answer,caption_0,caption_1"
    path.write_text(f"{header}\n/a/one/1.png,0,A kite.,No kite.\n/b/two/1.png,0,A kite.,No kite.\n")
    with pytest.raises(InputError, match=r"one/1.png and two/1.png would both .* set `parts` to 2"):
        read("negbench", path)
    assert read("negbench", path, parts=2)["image_file"].tolist() == ["one/1.png", "two/1.png"]


def test_sugarcrepe_has_gaps_in_its_keys():
    items = read("sugarcrepe", "sugarcrepe.json")
    assert usable(items).index.tolist() == ["0", "7"]
    assert items["group"].isna().all()
    assert reasons(items) == {"2": "its negative_caption is no text", "3": "is no JSON object"}
    assert usable(items).loc["0", ["image_file", "foil"]].tolist() == [
        "001.jpg",
        "A grey kite over a green roof.",
    ]


def test_sugarcrepe_pp_has_two_captions_of_a_foil():
    items = read("sugarcrepe_pp", "sugarcrepe_pp.json")
    found = usable(items)
    assert found.index.tolist() == [
        *("0:caption", "0:caption2", "4 (row 2):caption"),
        *("4 (row 3):caption", "4 (row 3):caption2"),
    ]
    assert found["foil"].iloc[0] == found["foil"].iloc[1] == "A roof above a kite."
    assert found["group"].tolist() == ["0", "0", "4 (row 2)", "4 (row 3)", "4 (row 3)"]
    assert reasons(items) == {"4 (row 2):caption2": "its caption2 is no text"}


def test_crepe_productivity_has_a_pair_for_each_foil():
    items = read("crepe", "crepe_productivity.csv")
    found = usable(items)
    assert found.index.tolist() == ["1:1", "1:2", "1:3"]
    assert set(found["group"]) == {"1"}
    assert set(found["image_file"]) == {"12.jpg#xywh=1,2,10,8"}
    assert found["foil"].tolist()[1] == "kite on baker's roof"
    assert reasons(items) == {
        "2": "its cell hard_negs holds no list of sentences",
        "3": "it has a crop without width or height",
        "4": "its cell hard_negs holds no list of sentences",
        "5": "it has no image_id",
    }
    accepted, _ = candidates(items, "standard", Contrast("caption"))
    assert len(set(cluster_ids(accepted))) == 1


def test_crepe_systematicity_asks_for_a_kind_of_foils():
    with pytest.raises(InputError, match="key `foils`: atom, comp"):
        read("crepe", "crepe_systematicity.csv")
    assert usable(read("crepe", "crepe_systematicity.csv", foils="atom")).index.tolist() == ["1"]
    assert len(usable(read("crepe", "crepe_systematicity.csv", foils="comp"))) == 2


def test_aro_cuts_out_regions():
    items = read("aro", "aro.json")
    assert usable(items)["image_file"].tolist() == [
        "12.jpg#xywh=1,2,10,8",
        "13.jpg#xywh=0,0,5,5",
    ]
    assert reasons(items) == {
        "3": "it has a crop without width or height",
        "4": "the path of its picture is no text",
    }


def cc_neg(n: int) -> dict:
    return {
        "image_paths": [f"/somewhere/cc3m/{i}.jpg" for i in range(n)],
        "annotations": [
            {
                "json": {"caption": f"a kite above roof {i}"},
                "sop_data": {"negative-prompt": f"a kite, not above roof {i}"},
            }
            for i in range(n)
        ],
    }


def test_cc_neg(tmp_path, monkeypatch):
    monkeypatch.setattr("negtrace.data.readers.cc_neg.EVALUATION", 2)
    content = cc_neg(4)
    content["annotations"][3] = {"json": {}}
    torch.save(content, tmp_path / "cc.pt")
    items = read("cc_neg", tmp_path / "cc.pt")
    assert usable(items).index.tolist() == ["3"]
    assert usable(items).loc["3", ["image_file", "caption", "foil"]].tolist() == [
        "2.jpg",
        "a kite above roof 2",
        "a kite not above roof 2",
    ]
    assert "sop_data" in reasons(items)["4"]
    assert usable(read("cc_neg", tmp_path / "cc.pt", split="training")).index.tolist() == ["1", "2"]
    assert len(read("cc_neg", tmp_path / "cc.pt", split="all")) == 4
    accepted, _ = candidates(items, "standard")
    assert accepted["edit"].tolist() == ["insert_not"]


class Evil:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return Path.touch, (self.place,)


def test_cc_neg_runs_no_code_of_its_file(tmp_path):
    hostile = cc_neg(1) | {"more": Evil(tmp_path / "ran")}
    torch.save(hostile, tmp_path / "cc.pt")
    with pytest.raises(InputError) as caught:
        read("cc_neg", tmp_path / "cc.pt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [{"image_paths": ["a"], "annotations": []}, [1], {}])
def test_another_file_is_not_cc_neg(tmp_path, content):
    torch.save(content, tmp_path / "cc.pt")
    with pytest.raises(InputError, match="is no file of CC-Neg"):
        read("cc_neg", tmp_path / "cc.pt")


@pytest.mark.parametrize("kind", ["negbench", "sugarcrepe", "sugarcrepe_pp", "crepe", "aro"])
def test_a_file_of_another_format_is_refused(kind):
    other = "aro.json" if kind != "aro" else "sugarcrepe.json"
    with pytest.raises(InputError, match="has no column"):
        read(kind, other)


REAL = [
    ("negbench", "negbench/COCO_val_mcq_llama3.1_rephrased.csv", 300, 298),
    ("negbench", "negbench/VOC2007_mcq.csv", 300, 300),
    ("negbench", "negbench/VOC2007_mcq_llama3.1_rephrased.csv", 300, 287),
    ("negbench", "negbench/synthetic_mcq_llama3.1_rephrased.csv", 300, 291),
    ("negbench", "negbench/COCO_val_negated_retrieval_template.csv", 300, 300),
    ("negbench", "negbench/COCO_val_retrieval.csv", 300, 0),
    *(
        ("sugarcrepe", f"sugarcrepe/{name}.json", 150, None)
        for name in (
            *("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel"),
            *("swap_att", "swap_obj"),
        )
    ),
    ("sugarcrepe_pp", "sugarcrepe_pp/replace_att.json", 100, None),
    ("sugarcrepe_pp", "sugarcrepe_pp/swap_obj.json", 100, None),
    *(
        ("valse", f"valse/{name}.json", 141 if name == "coreference-hard" else 150, None)
        for name in (
            *("actant-swap", "action-replacement", "coreference-hard", "coreference-standard"),
            *("counting-adversarial", "counting-hard", "counting-small-quant", "foil-it"),
            *("plurals", "relations"),
        )
    ),
]


@pytest.mark.parametrize(("kind", "name", "rows", "negations"), REAL, ids=[r[1] for r in REAL])
def test_every_row_of_a_published_sample_is_used_or_has_a_reason(kind, name, rows, negations):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is not in ../shared/benchmarks beside the repository")
    items = read(kind, path, **({"parts": 2} if "synthetic" in name else {}))
    question = items["group"].fillna(items["item_id"])
    assert question.nunique() == rows
    for contrast in ("negation", "caption"):
        accepted, rejected = candidates(items, "standard", Contrast(contrast))
        assert sorted([*accepted["item_id"], *rejected["item_id"]]) == sorted(items["item_id"])
        assert rejected["reason"].str.len().gt(0).all()
        used = question[items["item_id"].isin(accepted["item_id"])].nunique()
        if contrast == "negation" and negations is not None:
            assert used == negations
    if name != "negbench/COCO_val_retrieval.csv":
        same = rejected["reason"] == "caption and foil are the same sentence"
        noise = rejected["reason"].str.contains("language model")
        assert (same | noise).all()
        assert len(rejected) <= 0.03 * len(items)
