"""Draw the figures of one dataset, model and wording."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace import figures
from negtrace.layout import map_figure
from negtrace.steps.command import run
from negtrace.store import read_table


def step(options: Namespace) -> None:
    settings, thresholds = json.loads(options.settings), json.loads(options.thresholds)
    selectivity = read_table(options.selectivity_map)
    drawn = {
        "histogram_of_d": figures.histogram_of_d(
            read_table(options.segments), thresholds, settings
        ),
        "selectivity": figures.head_map(selectivity, settings, "selectivity"),
        "attention_by_role": figures.attention_by_role(
            read_table(options.attention_map), selectivity, settings
        ),
    }
    for path in options.maps:
        sweep = path.stem.partition(".")[2]
        drawn[map_figure(sweep)] = figures.restoration(read_table(path), settings)
    for name, figure in drawn.items():
        figures.save(figure, options.folder / name, settings["formats"], settings["dpi"])


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "segments": Path,
            "selectivity_map": Path,
            "attention_map": Path,
            "maps": (Path,),
            "settings": str,
            "thresholds": str,
            "folder": Path,
        },
    )
