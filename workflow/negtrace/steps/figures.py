"""Draw the figures of one dataset, model and wording."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace import figures
from negtrace.steps.command import run
from negtrace.store import read_table


def step(options: Namespace) -> None:
    settings = json.loads(options.settings)
    selectivity = read_table(options.selectivity_map)
    drawn = {
        "histogram_of_d": figures.histogram_of_d(
            read_table(options.segments), json.loads(options.thresholds)
        ),
        "selectivity": figures.head_map(selectivity, settings, "selectivity"),
        "attention_by_role": figures.attention_by_role(
            read_table(options.attention_map), selectivity, settings
        ),
    }
    for path in options.maps:
        table = read_table(path)
        site, direction = table["site"].iloc[0], table["direction"].iloc[0]
        if site == "resid":
            drawn[f"cte_map.{direction}"] = figures.cte_map(table, settings)
        else:
            drawn[f"{site}_restoration.{direction}"] = figures.head_map(
                table, settings, "restoration"
            )
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
