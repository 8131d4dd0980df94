"""Conclusions that come from nothing but the choice of items, and what the library makes of them.

Every function simulates one study without any effect of the kind that a careless analysis finds,
and runs the library's own tables on it: `effect_map`, `donor_map` and the sentences.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from simulated_studies import VALSE_SIZES

from negtrace.data.pairs import minimal_pair
from negtrace.report.findings import of_heads
from negtrace.statistics.donor_map import donor_map
from negtrace.statistics.effect_sizes import Options, effect_map
from negtrace.statistics.groups import segments
from negtrace.statistics.map_values import BASE_SCORE

ALPHA = 0.05
OPTIONS = Options(replicates=500, flips=500)
THRESHOLDS = {"incorrect_below": -1.0, "correct_from": 1.0}
HEADS = 24


def items_of(rng: np.random.Generator) -> pd.DataFrame:
    """Items on VALSE's pairs, half of them with the negation in the caption."""
    pair = np.repeat(np.arange(len(VALSE_SIZES)), VALSE_SIZES)
    negation = rng.permutation(np.resize(["caption", "foil"], len(pair)))
    return pd.DataFrame({"pair_id": [f"p{k:03}" for k in pair], "negation": negation}).assign(
        item_id=lambda table: [f"i{k}" for k in range(len(table))]
    )


def scored(items: pd.DataFrame, s_negated: np.ndarray, s_affirmative: np.ndarray) -> pd.DataFrame:
    """Table ``scores``."""
    sign = np.where(items["negation"] == "caption", 1, -1)
    d = sign * (s_negated - s_affirmative)
    return items.assign(s_negated=s_negated, s_affirmative=s_affirmative, d=d)


def swept(scores: pd.DataFrame, s_patched: np.ndarray, direction: str = "negate") -> pd.DataFrame:
    """Table ``sweep`` of as many heads of one block as `s_patched` has columns [items, heads]."""
    cells = s_patched.shape[1]
    base, source = (scores[name].to_numpy() for name in _base_and_source(direction))
    restoration = (s_patched - base[:, None]) / (source - base)[:, None]
    return pd.DataFrame(
        {
            "item_id": scores["item_id"].to_numpy().repeat(cells),
            "pair_id": scores["pair_id"].to_numpy().repeat(cells),
            "site": "head",
            "direction": direction,
            "layer": 1,
            "head": pd.array(np.tile(np.arange(1, cells + 1), len(scores)), dtype="Int16"),
            "position": pd.array([pd.NA] * len(scores) * cells, dtype="Int16"),
            "role": "all",
            "eligible": True,
            "known": False,
            "s_patched": s_patched.ravel(),
            "restoration": restoration.ravel(),
        }
    )


def _base_and_source(direction: str) -> tuple[str, str]:
    base = BASE_SCORE[direction]
    return base, next(name for name in BASE_SCORE.values() if name != base)


def independent_patch(seed: int) -> dict[str, float]:
    """A model at chance, and patches whose scores have nothing to do with either sentence."""
    rng = np.random.default_rng([seed, 2])
    items = items_of(rng)
    scores = scored(items, *rng.normal(0, np.sqrt(2), (2, len(items))))
    kinds = segments(scores, items, THRESHOLDS)
    sweep, placebo = (swept(scores, rng.normal(0, np.sqrt(2), (len(items), 1))) for _ in range(2))
    table = donor_map(sweep, scores, placebo.assign(donor="placebo"), kinds, OPTIONS)
    rows = table[table["negation"] == "all"].set_index("segment")
    # Segments have no tests; the correct items pass for a study of their own.
    correct = kinds[kinds["segment"] == "correct"]
    of_correct, of_all = (effect_map(sweep, scores, part, OPTIONS) for part in (correct, kinds))
    return {
        "restoration, correct items": rows.loc["correct", "ratio"],
        "by its placebo": rows.loc["correct", "ratio_donor"],
        "significant, correct items": overall_p(of_correct) <= ALPHA,
        "significant, all items": overall_p(of_all) <= ALPHA,
        "beyond its placebo": rows.loc["all", "p_fwer"] <= ALPHA,
    }


def overall_p(table: pd.DataFrame) -> float:
    """Family-wise p of the only cell, over all items."""
    return table[(table["negation"] == "all") & (table["segment"] == "all")]["p_fwer"].item()


def exchangeable_sources(seed: int) -> dict[str, float]:
    """A negation and a neutral swap, the same in distribution; the cell restores 0.3 of each."""
    rng = np.random.default_rng([seed, 3])
    items = items_of(rng)
    sign = np.where(items["negation"] == "caption", 1, -1)
    base = rng.normal(0, 1, len(items))
    scores, other = (scored(items, base + sign * rng.normal(1, 2, len(items)), base) for _ in "ab")
    sweeps = []
    for table in (scores, other):
        change = 0.3 * (table["s_negated"] - base) + rng.normal(0, 0.5, len(items))
        sweeps.append(swept(table, (base + change).to_numpy()[:, None]))
    kinds = segments(scores, items, THRESHOLDS)
    table = donor_map(sweeps[0], scores, sweeps[1].assign(donor="placebo"), kinds, OPTIONS)
    rows = table[table["negation"] == "all"].set_index("segment")
    apart = rows["difference"] - rows["difference_donor"]
    return {
        "logits, correct items": apart["correct"],
        "logits, all items": apart["all"],
        "significant, all items": rows.loc["all", "p_fwer"] <= ALPHA,
    }


def cancelling_d(seed: int) -> dict[str, float]:
    """A random model that prefers one sentence whatever the picture: d cancels over both."""
    rng = np.random.default_rng([seed, 4])
    items = items_of(rng)
    preference = rng.normal(-0.5, 0.3, len(VALSE_SIZES)).repeat(VALSE_SIZES)
    base = rng.normal(0, 1, len(items))
    scores = scored(items, base + preference + rng.normal(0, 0.5, len(items)), base)
    moved = 0.5 * preference[:, None] + rng.normal(0, 0.5, (len(items), HEADS))
    sweep = swept(scores, base[:, None] + moved)
    table = effect_map(sweep, scores, segments(scores, items, THRESHOLDS), OPTIONS)
    pooled = table[(table["negation"] == "all") & (table["segment"] == "all")]
    said = of_heads(table, "restoration", ALPHA)
    return {
        "largest ratio above 0.1": pooled["ratio"].max() > 0.1,
        "with a bounded interval": pooled["ratio_ci_low"].notna().any(),
        "a head is named": any(sentence.startswith("Highest") for sentence in said),
    }


def constant_patch(scores: pd.DataFrame, direction: str, negation: str) -> tuple[float, float]:
    """Ratio of means in correct and in all items if every patched score is the mean base score.

    Args:
        scores: table ``scores`` of real items.
    """
    part = scores[scores["negation"] == negation]
    mean = np.full((len(part), 1), part[BASE_SCORE[direction]].mean())
    table = effect_map(
        swept(part, mean, direction), part, segments(part, part, THRESHOLDS), OPTIONS
    )
    rows = table[table["negation"] == negation].set_index("segment")
    # Over all items the change is 0 whatever the denominator.
    return float(rows.loc["correct", "ratio"]), float(rows.loc["all", "difference"])


def real_scores(authors: Path, valse: Path, wording: str = "rephrased") -> pd.DataFrame:
    """Table ``scores`` from published scores of both sentences, and VALSE's existence items.

    Args:
        authors: CSV with the columns wording, item_id, s_caption, s_foil.
        valse: VALSE's JSON file.
    """
    annotations = json.loads(valse.read_text())
    table = pd.read_csv(authors).query("wording == @wording").reset_index(drop=True)
    pairs = [
        minimal_pair(annotations[item]["caption"], annotations[item]["foil"], wording)
        for item in table["item_id"]
    ]
    items = table[["item_id"]].assign(
        pair_id=[pair.pair_id for pair in pairs], negation=[pair.negation for pair in pairs]
    )
    in_caption = items["negation"] == "caption"
    negated = np.where(in_caption, table["s_caption"], table["s_foil"])
    affirmative = np.where(in_caption, table["s_foil"], table["s_caption"])
    return scored(items, negated, affirmative)
