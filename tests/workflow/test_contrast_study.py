"""A study of colour swaps, to the report: another contrast than negation from end to end."""

from __future__ import annotations

import html
import re

import pandas as pd
from checkout import Checkout
from page_blocks import unpacked

from negtrace.report.section import CONTRAST_NOTICE
from negtrace.vocabulary import CONTRASTS

COLOURS = ("red", "blue", "green", "grey")


def test_a_study_of_colour_swaps(tmp_path):
    study = Checkout.create(tmp_path / "study")
    rows = [
        {
            "image": f"{number}.png",
            "caption": f"A {colour} {noun} is here.",
            "foil": f"A {other} {noun} is here.",
        }
        for number, noun in enumerate(("cup", "car", "surfboarder"))
        for colour in COLOURS
        for other in COLOURS
        if colour != other
    ]
    pd.DataFrame(rows).to_csv(study.folder / "swaps.csv", index=False)

    def change(config: dict) -> None:
        config["study"].update(
            datasets=["swaps"],
            wordings=["standard"],
            sites=["resid", "head"],
        )
        config["datasets"]["swaps"] = {
            "kind": "table",
            "file": "swaps.csv",
            "contrast": "caption",
            "images": {"kind": "generated", "seed": 0},
        }
        config["figures"]["formats"] = ["svg"]

    study.configure(change)
    study.run()
    candidates = pd.read_parquet(study.path("swaps", "candidates.standard.parquet"))
    assert len(candidates) == len(rows)
    assert set(candidates["negation"]) == {"caption"}
    segments = pd.read_parquet(study.path("swaps", "tiny", "standard", "segments.parquet"))
    assert segments["cluster_id"].nunique() == 3  # of one noun
    alignment = pd.read_parquet(study.path("swaps", "tiny", "standard", "alignment.parquet"))
    edited = alignment[alignment["role"] == "edit"]
    assert set(edited["token"].str.removesuffix("</w>")) == set(COLOURS)
    assert {"subject_first", "subject_rest"} <= set(alignment["role"])
    selectivity = pd.read_parquet(study.path("swaps", "tiny", "standard", "selectivity.parquet"))
    assert selectivity["selectivity"].notna().all()

    page = study.path("report.html").read_text()
    sections, found, _ = page.partition('<section id="ledger"')
    assert found
    shown = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"data:[^\"]+", "", sections)))
    shown = shown.replace(CONTRAST_NOTICE.format(CONTRASTS["caption"].about), "")
    words = re.findall(r"\w*(?:negat|affirmative)\w*", shown, re.IGNORECASE)
    identifiers = {"negative", "negtrace", "Negative"}
    assert set(words) <= identifiers | {"negate"}, words  # the name of a sweep's files
    (section,) = unpacked(re.search(r'id="block-study">([^<]+)<', page)[1])["sections"]
    said = section["words"]  # by the page's script
    assert said["negator"] == "the words that differ"
    assert not re.search("negat|affirmative", " ".join(said.values()), re.IGNORECASE)
    for figure in study.path("swaps", "tiny", "standard", "figures").glob("*.svg"):
        drawn = " ".join(re.findall(r"<!-- (.*?) -->", figure.read_text()))
        assert not re.search(r"negat(?!ive)|affirmative", drawn, re.IGNORECASE), figure
