"""A small report of made-up runs, through a real one's functions: two models and a control."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from negtrace.report import explorer
from negtrace.report.atlas import Atlas
from negtrace.report.blocks import packed
from negtrace.report.page import Page, render
from negtrace.report.section import Section
from negtrace.report.thumbnails import thumbnails
from negtrace.report.verdict import example
from negtrace.statistics.accuracy import with_intervals
from negtrace.statistics.atlas import Run, model_row
from negtrace.statistics.credible import with_placebo
from negtrace.statistics.donor_map import donor_map
from negtrace.statistics.edge_map import edge_map
from negtrace.statistics.effect_sizes import Options, effect_map
from negtrace.statistics.groups import segments
from negtrace.statistics.model_pairs import base_difference, head_matches
from negtrace.statistics.spread import spread_map
from negtrace.statistics.stability import ranks

ITEMS, PAIRS = 36, 18
COLOURS = ("red", "green", "blue")
WORDS = ("SOT", "there", "be", "determiner", "subject_first", "subject_rest", "full_stop", "EOT")
OPTIONS = Options(replicates=200, flips=400)
THRESHOLDS = {"incorrect_below": -1.0, "correct_from": 1.0}
FIGURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 40" width="90" height="40">'
    '<path d="M0 0H90V40H0z" style="fill: #ffffff"/><text x="5" y="20">d of items</text></svg>'
)


def small_report(folder: Path, layers: int = 3, heads: int = 4) -> Page:
    """A report whose files lie in a folder.

    Args:
        layers, heads: of the models.
    """
    names = [f"{number}.png" for number in range(ITEMS)]
    for number, name in enumerate(names):
        colour = (40 * (number % 6), 200 - 4 * number, 90)
        Image.new("RGB", (60, 40), colour).save(folder / name)
    pictures = thumbnails(folder, names)
    models = {"big": 1.0, "small": 0.5, "big-random": 0.0}
    sections = [
        sample(folder, model, effect, (layers, heads), {n: i for i, n in enumerate(pictures)})
        for model, effect in models.items()
    ]
    return render(
        "A small study",
        sections,
        "study: {title: A small study}\n",
        parents=[None, None, 0],
        pictures={"shapes-pictures": packed(list(pictures.values()))},
        run={"Command": "snakemake --configfile config.yaml", "negtrace": "0.1.0"},
        atlas=small_atlas(models, (layers, heads)),
    )


def small_atlas(models: dict[str, float], size: tuple[int, int]) -> Atlas:
    """The models beside one another; the second is said to be made from the first."""
    runs = {}
    for model, effect in models.items():
        tables = run_tables(model, effect, size)
        classified = segments(tables["scores"], tables["candidates"], THRESHOLDS)
        sweeps = {name: tables[f"sweep.{name}"] for name in ("resid.negate", "head.negate")}
        runs[model] = Run(sweeps, tables["scores"], classified, tables["attention"])
    first, second, _ = models

    def labelled(model: str, table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(dataset="shapes", model=model, wording="rephrased", direction="negate")

    rows = [
        labelled(model, pd.DataFrame([model_row(run, "negate", OPTIONS)])).assign(
            parameters=4e6 * (1 + number)
        )
        for number, (model, run) in enumerate(runs.items())
    ]
    matches = [
        labelled(model, head_matches(run, runs[first], "head.negate", OPTIONS))
        for model, run in runs.items()
        if model != first
    ]
    changed = [
        labelled(second, base_difference(runs[second], runs[first], sweep, OPTIONS))
        for sweep in runs[second].sweeps
    ]
    return Atlas(
        pd.concat(rows, ignore_index=True),
        pd.concat(matches, ignore_index=True).assign(reference=first),
        {("shapes", "rephrased", "negate"): [(1, 2)]},
        pd.concat(changed, ignore_index=True).assign(base=first),
        0.05,
    )


def sample(
    folder: Path, model: str, effect: float, size: tuple[int, int], pictures: dict[str, int]
) -> Section:
    """A section whose effect moves to EOT in block 1, by head 2 most.

    Args:
        effect: how large it is.
        size: blocks and heads.
    """
    tables = run_tables(model, effect, size)
    classified = segments(tables["scores"], tables["candidates"], THRESHOLDS)
    made = {"segments": classified, "accuracy": with_intervals(classified, OPTIONS)}
    tables |= made
    given = tables["scores"], made["segments"]
    maps = {}
    for name in ("resid.negate", "head.negate"):
        sweep = tables[f"sweep.{name}"]
        donors = donor_map(sweep, given[0], None, given[1], OPTIONS)
        maps[name] = with_placebo(effect_map(sweep, *given, options=OPTIONS), donors, 0.05)
        tables |= {
            f"donor_map.{name}": donors,
            f"ranks.{name}": ranks(sweep, *given, options=OPTIONS),
            f"spread.{name}": spread_map(sweep, *given),
        }
    of_edges = edge_map(tables["edges"], *given, least=0.05, options=OPTIONS)
    figure = folder / "histogram_of_d.svg"
    figure.write_text(FIGURE)
    path = folder / "segments.parquet"
    made["segments"].to_parquet(path)
    section = Section(
        dataset="shapes",
        model=model,
        wording="rephrased",
        kind="table",
        identity={"architecture": "tiny", "random": True} if effect == 0 else {},
        provenance={"versions": {"torch": "2.12.0"}},
        excluded=pd.DataFrame({"item_id": [], "reason": []}),
        accuracy=made["accuracy"],
        selectivity=pd.DataFrame(
            columns=["negation", "segment", "layer", "head", "mean", "sd", "n_items", "n_pairs"]
        ),
        maps=maps,
        figures={"histogram_of_d": figure},
        tables=[path],
        segment="correct",
        items=made["segments"],
        donors={sweep: tables[f"donor_map.{sweep}"] for sweep in maps},
        spread={sweep: tables[f"spread.{sweep}"] for sweep in maps},
        pictures_of="shapes",
        circuit=(of_edges, pd.DataFrame({"measure": [], "found": []}), pd.DataFrame())
        if model == "big"
        else None,
    )
    shown = example(section, tables["candidates"], tables["scores"])
    assert shown is not None
    picture = thumbnails(folder, [shown["image_file"]])
    blocks = explorer.blocks_of(section, tables.__getitem__, pictures)
    return section.with_data(blocks, {**shown, "picture": picture})


def run_tables(model: str, effect: float, size: tuple[int, int]) -> dict[str, Any]:
    """Tables of a run that were not made by this library's statistics."""
    draw = np.random.default_rng([*map(ord, model)])
    items = [f"item_{number:02d}" for number in range(ITEMS)]
    pairs = [f"pair_{number % PAIRS:02d}" for number in range(ITEMS)]
    negation = ["caption" if number % 2 else "foil" for number in range(ITEMS)]
    d = effect * 4 + draw.normal(size=ITEMS)
    sign = np.where(np.array(negation) == "caption", 1, -1)
    scores = pd.DataFrame(
        {
            "item_id": items,
            "pair_id": pairs,
            "negation": negation,
            "s_negated": 10 + sign * d,
            "s_affirmative": 10.0,
            "s_caption": np.where(sign > 0, 10 + d, 10),
            "s_foil": np.where(sign > 0, 10, 10 - d),
            "d": d,
        }
    )
    subjects = [f"{COLOURS[n % PAIRS % 3]} squares {n % PAIRS}" for n in range(ITEMS)]
    candidates = pd.DataFrame(
        {
            "item_id": items,
            "pair_id": pairs,
            "image_file": [f"{number}.png" for number in range(ITEMS)],
            "negation": negation,
            "negated": [f"There are no {subject}." for subject in subjects],
            "affirmative": [f"There are some {subject}." for subject in subjects],
            "votes_caption": pd.array([3] * ITEMS, dtype="Int32"),
        }
    )
    candidates["caption"], candidates["foil"] = candidates["negated"], candidates["affirmative"]
    return {
        "scores": scores,
        "candidates": candidates,
        "features": pd.DataFrame(
            {
                "item_id": items,
                "caption_foil_similarity": 0.5,
                "n_tokens": 8,
                "subject_area": draw.uniform(size=ITEMS),
            }
        ),
        "alignment": alignment(sorted(set(pairs))),
        "attention": attention(sorted(set(pairs)), size, draw),
        "attention_patterns": attention_patterns(sorted(set(pairs))[::2], size),
        "sweep.resid.negate": resid(scores, size[0], draw),
        "sweep.head.negate": by_head(scores, size, draw),
        "edges": edges(scores, draw),
    }


def swept(scores: pd.DataFrame, site: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows with item (a number), layer, head, role and share as a table ``sweep``."""
    of = scores.iloc[[row["item"] for row in rows]].reset_index(drop=True)
    share = np.array([row["share"] for row in rows])
    return pd.DataFrame(
        {
            "item_id": of["item_id"],
            "pair_id": of["pair_id"],
            "site": site,
            "direction": "negate",
            "layer": [row["layer"] for row in rows],
            "head": pd.array([row["head"] for row in rows], dtype="Int16"),
            "role": [row["role"] for row in rows],
            "eligible": True,
            "known": [row["known"] for row in rows],
            "s_patched": of["s_affirmative"] + share * (of["s_negated"] - of["s_affirmative"]),
            "restoration": share,
        }
    )


def resid(scores: pd.DataFrame, layers: int, draw: np.random.Generator) -> pd.DataFrame:
    rows = []
    for item in range(ITEMS):
        for layer in range(layers + 1):
            for role in WORDS:
                known = role in WORDS[:3] or layer in (0, layers)
                share = float(role == ("determiner" if layer == 0 else "EOT"))
                noise = 0.0 if known else 0.02 * draw.normal()
                rows.append({"item": item, "layer": layer, "head": None, "role": role,
                             "known": known, "share": share + noise})  # fmt: skip
    return swept(scores, "resid", rows)


def by_head(scores: pd.DataFrame, size: tuple[int, int], draw: np.random.Generator) -> pd.DataFrame:
    rows = [
        {"item": item, "layer": layer, "head": head, "role": "all", "known": False,
         "share": 0.6 * (layer == 1 and head == 2) + 0.05 * draw.normal()}
        for item in range(ITEMS)
        for layer in range(1, size[0] + 1)
        for head in range(1, size[1] + 1)
    ]  # fmt: skip
    return swept(scores, "head", rows)


def edges(scores: pd.DataFrame, draw: np.random.Generator) -> pd.DataFrame:
    """Head 2 of block 1 reads the negator's embedding; the read-out reads the head, less an MLP."""
    shares = {
        ("embedding", "1.2.k", "determiner"): 0.1,
        ("embedding", "1.2.v", "determiner"): 0.5,
        ("embedding", "2.1.q", "EOT"): 0.0,
        ("1.2", "2.1.q", "EOT"): 0.3,
        ("1.2", "read-out", "EOT"): 0.6,
        ("2.1", "read-out", "EOT"): 0.2,
        ("mlp.2", "read-out", "EOT"): -0.3,
    }
    rows = [
        {"item": item, "layer": number, "head": None, "role": role, "known": False,
         "sender": sender, "receiver": receiver, "share": share + 0.02 * draw.normal()}
        for number, ((sender, receiver, role), share) in enumerate(shares.items())
        for item in range(ITEMS)
    ]  # fmt: skip
    ends = pd.DataFrame(rows)[["sender", "receiver"]]
    found = swept(scores, "edge", rows).assign(s_placebo=np.nan, **ends)
    return found.drop(columns=["site", "layer", "head", "eligible", "known"])


def alignment(pairs: list[str]) -> pd.DataFrame:
    sentences = {
        "negated": ["SOT", "there", "are", "no", "red", "squares", ".", "EOT"],
        "affirmative": ["SOT", "there", "are", "some", "red", "squares", ".", "EOT"],
    }
    return pd.DataFrame(
        [
            (pair, side, position, token, WORDS[position], position, token == "no")
            for pair in pairs
            for side, tokens in sentences.items()
            for position, token in enumerate(tokens)
        ],
        columns=["pair_id", "polarity", "position", "token", "role", "counterpart", "negator"],
    )


def attention(pairs: list[str], size: tuple[int, int], draw: np.random.Generator) -> pd.DataFrame:
    rows = [
        (pair, layer, head, query, 0.9 if (layer, head, query) == (1, 2, 7) else 0.1)
        for pair in pairs
        for layer in range(1, size[0] + 1)
        for head in range(1, size[1] + 1)
        for query in range(8)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["pair_id", "layer", "head", "query_position", "a_negated"])
    roles = [WORDS[query] for query in table["query_position"]]
    return table.assign(a_affirmative=draw.uniform(0, 0.2, len(table)), role=roles)


def attention_patterns(pairs: list[str], size: tuple[int, int]) -> pd.DataFrame:
    """Every token looks at itself; head 2 of block 1 looks from EOT at the negator alone."""
    rows = [
        (pair, side, layer, head, query, key,
         float(key == (3 if (side, layer, head, query) == ("negated", 1, 2, 7) else query)))
        for pair in pairs
        for side in ("negated", "affirmative")
        for layer in range(1, size[0] + 1)
        for head in range(1, size[1] + 1)
        for query in range(8)
        for key in range(query + 1)
    ]  # fmt: skip
    names = ["pair_id", "polarity", "layer", "head", "query_position", "key_position", "attention"]
    return pd.DataFrame(rows, columns=names)
