"""Draw the figures of one dataset, model and wording."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace import confirmation_figures, feature_figures, figures, layout
from negtrace.figure_style import save
from negtrace.layout import map_figure, segment_maps
from negtrace.lineage import read_tables
from negtrace.steps.command import run

TABLES = (
    *("segments", "selectivity_map", "attention_map", "selectivity_correlation"),
    *("features", "accuracy_above_area"),
)


CONFIRMATIONS = {
    "contributions": lambda tables, heads, settings: {
        "direct_and_total": confirmation_figures.direct_against_total(
            tables["contribution_map"], heads, settings
        )
    },
    "ablation": lambda tables, heads, settings: {
        "ablation": confirmation_figures.ablated_against_random(
            tables["ablations"], tables["confirmation"], settings
        ),
        "faithfulness": confirmation_figures.faithfulness_curves(tables["curves"], settings),
    },
}


def step(options: Namespace) -> None:
    settings, thresholds = json.loads(options.settings), json.loads(options.thresholds)
    named = {name: getattr(options, name) for name in TABLES}
    tables = read_tables(
        named | {path.stem: path for path in [*options.maps, *options.confirmation]}
    )
    maps = {path.stem.partition(".")[2]: tables[path.stem] for path in options.maps}
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
    sweep = next((name for name in maps if name.startswith("head.")), None)
    confirmed = {path.stem for path in options.confirmation}
    for kind, (names, _) in layout.CONFIRMATIONS.items():
        if confirmed & set(names):
            drawn |= CONFIRMATIONS[kind](tables, maps[sweep], settings)
    for name, figure in drawn.items():
        save(figure, options.folder / name, settings["formats"], settings["dpi"])


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **dict.fromkeys(TABLES, Path),
            "maps": (Path,),
            "confirmation": [Path],
            "settings": str,
            "thresholds": str,
            "folder": Path,
        },
    )
