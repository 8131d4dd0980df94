"""Confounds: counted by hand, and slopes that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from negtrace.analyses.confounds import confounds, dependence, slope_interval
from negtrace.statistics.effect_sizes import Options

OPTIONS = Options(replicates=300)

# "Red stars aren't here." in CLIP's tokens; the negator is "aren" and "'t".
TOKENS = ["<start>", "red", "stars", "aren", "'t", "here", ".", "<end>"]


def alignment(pair_id: str) -> pd.DataFrame:
    rows = [
        {
            "pair_id": pair_id,
            "polarity": polarity,
            "position": place,
            "role": "EOT" if token == "<end>" else "edit",
            "negator": polarity == "negated" and token in ("aren", "'t"),
        }
        for polarity in ("negated", "affirmative")
        for place, token in enumerate(TOKENS)
    ]
    return pd.DataFrame(rows)


def test_confounds_by_hand():
    candidates = pd.DataFrame({"item_id": ["a", "b", "c"], "pair_id": ["p", "p", "q"]})
    designs = pd.DataFrame(
        {
            "item_id": ["a", "b", "c"],
            "template": "t",
            "negator": "n't",
            "subject": ["red stars", "red stars", "moon"],
            "plural": [True, True, False],
        }
    )
    without = alignment("q").assign(negator=False)
    found = confounds(candidates, pd.concat([alignment("p"), without]), designs)
    first, last = found.iloc[0], found.iloc[2]
    assert dict(first.drop("item_id")) == {
        "negator_position": 3,
        "negator_length": 2,
        "eot_distance": 3,
        "n_tokens": 8,
        "subject_frequency": pytest.approx(2 / 3),
        "plural": 1,
    }
    assert np.isnan(last["negator_position"])
    assert np.isnan(last["eot_distance"])
    assert last["n_tokens"] == 8
    assert last["plural"] == 0


def test_slope_by_hand():
    x, y = np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 6.0])
    slope, _, _ = slope_interval(x, y, np.arange(3), OPTIONS)
    assert slope == pytest.approx(2.5)


def test_units_are_resampled_whole():
    """A hundred copies of each value say no more than one."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=12)
    y = x + rng.normal(size=12)
    once = slope_interval(x, y, np.arange(12), OPTIONS)
    often = slope_interval(np.repeat(x, 100), np.repeat(y, 100), np.repeat(range(12), 100), OPTIONS)
    assert often == pytest.approx(once)


def test_dependence_on_what_the_effect_is_made_of():
    rng = np.random.default_rng(0)
    rows = [
        {
            "item_id": f"{frame}.{subject}",
            "site": "head",
            "direction": "negate",
            "layer": 1,
            "head": head,
            "role": "all",
            "change": (frame if head == 1 else 3) + 0.1 * rng.normal(),
            "d": 2.0,
            "known": 0.0,
            "cluster_id": f"s{subject}",
            "template": f"f{frame}",
        }
        for frame in range(8)
        for subject in range(10)
        for head in (1, 2)
    ]
    values = pd.DataFrame(rows)
    names = values["item_id"].drop_duplicates()
    features = pd.DataFrame({"item_id": names, "negator_position": names.str[0].astype(float)})
    features = features.assign(
        negator_length=1.0, eot_distance=np.nan, n_tokens=7.0, subject_frequency=0.1, plural=1.0
    )
    found = dependence(values, features, OPTIONS).set_index("head")
    assert set(found["confound"]) == {"negator_position"}  # the others do not vary
    assert found.loc[1, "slope"] == pytest.approx(0.5, abs=0.02)
    assert found.loc[1, "slope_ci_low"] > 0.4
    assert found.loc[2, "slope_ci_low"] < 0 < found.loc[2, "slope_ci_high"]
    assert set(found["n_units"]) == {8}
