"""Hold what patching finds in a planted model against what was planted."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.figure_style import save
from negtrace.lineage import read_tables
from negtrace.planted import expected, found, plant_of
from negtrace.planted_figure import planted_figure
from negtrace.shown import available_segment
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN
from negtrace.store import labelled, provenance, write_table


def step(options: Namespace) -> None:
    values, settings = json.loads(options.plant), json.loads(options.settings)
    active = values.pop("active", True)
    plant = plant_of(values)
    tables = read_tables({path.stem: path for path in options.maps}, vars(options))
    maps = {name.split(".")[1]: table for name, table in tables.items()}
    cells = expected(plant)
    if not active:
        cells["restoration"] = 0.0
    segment = available_segment(maps["head"], settings["segment"])
    table = found(cells, maps.values(), segment, settings["alpha"])
    made = provenance(
        "planted",
        tables=tables.sources,
        params=json.loads(options.plant),
    )
    write_table(labelled(table, vars(options)), options.found, "planted", made)
    drawn = planted_figure(plant, maps["resid"], maps["head"], settings)
    save(drawn, options.figure, settings["formats"], settings["dpi"])


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            "plant": str,
            "maps": (Path,),
            "settings": str,
            "found": Path,
            "figure": Path,
        },
    )
