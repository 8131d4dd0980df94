"""The figure of mending: its tables' numbers in their places; and maps of named interventions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from negtrace.figures.maps import cte_map
from negtrace.figures.mending import MEASURES, mending_figure


def grid() -> pd.DataFrame:
    rows = [
        ("heads", "", 1.0, 0.8, 2.0, False),
        ("heads", "1.2", 2.0, 0.9, 2.5, True),
        ("direction", "", 0.0, 0.8, 2.0, True),
        ("direction", "1", -1.0, 0.7, 1.0, False),
        ("direction", "2", 1.0, 0.7, 1.5, False),
    ]
    columns = ["edit", "what", "strength", "accuracy", "mean_d", "chosen"]
    return pd.DataFrame(rows, columns=columns)


def table() -> pd.DataFrame:
    rows = [
        {"edit": edit, "measure": measure, "negation": "all", "difference": shift + number}
        for edit, shift in (("heads", 0.5), ("direction", 0.0))
        for number, measure in enumerate(MEASURES)
    ]
    found = pd.DataFrame(rows)
    return found.assign(
        before=1.0,
        drawn_mean=1.25,
        difference_ci_low=found["difference"] - 0.1,
        difference_ci_high=found["difference"] + 0.2,
        n_items=9,
    )


def test_every_difference_stands_in_the_row_of_its_measure():
    figure = mending_figure(grid(), table(), {"width_cm": 18})
    axes = figure.axes
    assert [axis.get_title().splitlines()[1] for axis in axes[:2]] == [
        "chosen: 1.2, 2",
        "chosen: no edit",
    ]
    np.testing.assert_allclose(axes[0].lines[1].get_xydata(), [[1, 2], [2, 2.5]])
    shares, logits = axes[2:]
    names = [label.get_text() for label in shares.get_yticklabels()]
    assert names == [MEASURES[m] for m in MEASURES if not m.endswith("mean_d")]
    assert len(logits.get_yticklabels()) == 2
    heads = shares.containers[0][0].get_xydata()
    assert heads[:, 0].tolist() == [0.5 + n for n in range(6)]
    np.testing.assert_allclose(np.diff(heads[:, 1]), -1)
    low, high = shares.containers[0][2][0].get_segments()[0]
    np.testing.assert_allclose([low[0], high[0]], [0.4, 0.7])
    assert "9 items of the other half" in figure.get_suptitle()


def test_a_map_of_an_intervention_has_rows_for_what_is_patched_together():
    rows = [
        {"site": "mine", "direction": "negate", "negation": negation, "segment": "all",
         "layer": layer, "head": pd.NA, "role": role, "ratio": 0.5, "ratio_ci_low": 0.4,
         "ratio_ci_high": 0.6, "p_fwer": 0.01, "n_items": 9}
        for negation in ("foil", "caption")
        for layer, role in ((1, "determiner+EOT"), (2, "determiner+EOT"))
    ]  # fmt: skip
    entry = {"site": "resid", "positions": ["determiner", "EOT"], "layers": [1, 2]}
    settings = {"segment": "all", "interventions": {"mine": entry}}
    figure = cte_map(pd.DataFrame(rows), settings)
    assert "hidden state at determiner and EOT (mine)" in figure.get_suptitle()
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["determiner+EOT"]
    assert figure.axes[-2].get_xlabel() == "hidden state"
