"""Draw the figures of one dataset, model and wording."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace import feature_figures, figures
from negtrace.layout import map_figure, segment_maps
from negtrace.steps.command import run
from negtrace.store import read_table

TABLES = (
    *("segments", "selectivity_map", "attention_map", "selectivity_correlation"),
    *("features", "accuracy_above_area"),
)


def step(options: Namespace) -> None:
    settings, thresholds = json.loads(options.settings), json.loads(options.thresholds)
    tables = {name: read_table(getattr(options, name)) for name in TABLES}
    maps = {path.stem.partition(".")[2]: read_table(path) for path in options.maps}
    selectivity, features = tables["selectivity_map"], tables["features"]
    drawn = {
        "histogram_of_d": figures.histogram_of_d(tables["segments"], thresholds, settings),
        "selectivity": figures.head_map(selectivity, settings, "selectivity"),
        "attention_by_role": figures.attention_by_role(
            tables["attention_map"], selectivity, settings
        ),
        "selectivity_correlation": feature_figures.selectivity_correlation_map(
            tables["selectivity_correlation"], settings
        ),
        "d_by_similarity": feature_figures.d_against_similarity(features, settings),
        "d_by_subject_size": feature_figures.d_against_area(
            features, tables["accuracy_above_area"], settings
        ),
        "d_by_tokens": feature_figures.d_against_tokens(features, settings),
    }
    for sweep, table in maps.items():
        drawn[map_figure(sweep)] = figures.restoration(table, settings)
    for name, (sweep, segment) in segment_maps(maps).items():
        drawn[name] = figures.segment_map(maps[sweep], settings, segment)
    for name, figure in drawn.items():
        figures.save(figure, options.folder / name, settings["formats"], settings["dpi"])


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **dict.fromkeys(TABLES, Path),
            "maps": (Path,),
            "settings": str,
            "thresholds": str,
            "folder": Path,
        },
    )
