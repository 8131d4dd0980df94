"""What the report says of templates, and the figure that shows it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from negtrace.figures.templates import template_figure
from negtrace.report.templates import of_templates
from negtrace.statistics.consensus import consensus

CELL = {"site": "head", "direction": "negate", "role": "all"}


def levels(holding: dict[int, int]) -> pd.DataFrame:
    """Three templates and negators; head h of block 1 holds in so many of each."""
    rows = [
        {
            **CELL,
            "factor": factor,
            "level": f"{factor} {number}",
            "layer": 1,
            "head": head,
            "ratio": 0.5 + number / 10 if number < count else 0.01,
            "ratio_ci_low": 0.4 if number < 2 else np.nan,
            "ratio_ci_high": 0.7,
            "holds": number < count,
        }
        for factor in ("template", "negator")
        for head, count in holding.items()
        for number in range(3)
    ]
    return pd.DataFrame(rows)


def tables(holding: dict[int, int]) -> dict[str, pd.DataFrame]:
    table = levels(holding)
    found = pd.concat(
        consensus(part).assign(factor=factor) for factor, part in table.groupby("factor")
    )
    heads = [{**CELL, "layer": 1, "head": head} for head in holding]
    variance = pd.DataFrame(heads).assign(
        first=0.04, second=0.01, share=0.8, share_ci_low=0.5, share_ci_high=1.0
    )
    agreement = pd.DataFrame(
        [
            {"first": "mean", "second": "mean", "spearman": 0.9},
            {"first": "mean", "second": "others", "spearman": 0.6},
        ]
    ).assign(spearman_low=0.5, spearman_high=0.95)
    slopes = pd.DataFrame(heads).assign(confound="n_tokens", slope_ci_low=-1.0, slope_ci_high=1.0)
    return {
        "template_map": table,
        "template_consensus": found,
        "template_variance": variance.assign(n_templates=3, n_subjects=20),
        "template_agreement": pd.concat(
            agreement.assign(factor=factor) for factor in ("template", "negator")
        ),
        "template_slopes": slopes,
    }


def test_consensus_is_named_with_its_range():
    said = " ".join(of_templates(tables({1: 3, 2: 1, 3: 0}), 0.95))
    assert "Consensus over templates: 1 of 3 heads hold in 2 or more of 3 templates" in said
    assert "head 1 of block 1 (3 of 3 templates, restoration 0.50 to 0.60)" in said
    assert "2 hold in at least one" in said
    assert "varies between templates as 80% (50% to 100%)" in said
    assert "standard deviations 0.20 and 0.10" in said
    assert "correlation of 0.60 (0.50 to 0.95" in said
    assert "No head's restoration goes with a confound" in said
    assert "head 2" not in said


@pytest.mark.parametrize(
    ("holding", "expected"),
    [
        ({1: 0, 2: 0}, "no head holds in any of 3 templates"),
        ({1: 1, 2: 0}, "no head holds in 2 or more of 3 templates"),
    ],
)
def test_no_consensus_is_said_too(holding, expected):
    assert expected in of_templates(tables(holding), 0.95)[0]


def test_slopes_that_exclude_0_are_counted():
    found = tables({1: 3, 2: 3})
    found["template_slopes"]["slope_ci_low"] = [0.1, -0.1]
    assert "n_tokens (1 of 2 heads)" in of_templates(found, 0.95)[-1]


def test_figure_marks_what_holds_and_leaves_unbounded_ratios_blank():
    found = tables({1: 3, 2: 1, 3: 0})
    figure = template_figure(found["template_map"], found["template_consensus"], {})
    axis = figure.axes[0]
    dots = {tuple(line.get_xydata()[0]) for line in axis.lines}
    assert dots == {(0.5, 0.5), (0.5, 1.5), (0.5, 2.5), (1.5, 0.5)}
    (frame,) = axis.patches
    assert (frame.get_x(), frame.get_height()) == (0, 3)
    blank = np.ma.getmaskarray(axis.collections[0].get_array()).reshape(3, 3)
    assert blank.tolist() == [[False] * 3, [False] * 3, [True] * 3]
    assert [text.get_text() for text in axis.get_xticklabels()] == ["1.1", "1.2", "1.3"]
