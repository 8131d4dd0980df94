"""Atlas: models of a study beside one another.  These steps touch no model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from negtrace.steps.job import Input, Made, ModelsByPath, TablesByPath, step

if TYPE_CHECKING:
    from negtrace.statistics.atlas import Run


@step("atlas")
def atlas(tables: TablesByPath, description: Input, statistics: dict[str, Any]) -> Made:
    """One model in numbers that do not depend on its size, by direction."""
    import json

    import pandas as pd

    from negtrace.statistics.atlas import model_row
    from negtrace.statistics.effect_sizes import Options

    run, options = _run(tables), Options(**statistics)
    size = json.loads(description.read_text(encoding="utf-8"))["identity"].get("parameters")
    rows = [
        {"direction": direction, "parameters": size, **model_row(run, direction, options)}
        for direction in dict.fromkeys(sweep.split(".")[1] for sweep in run.sweeps)
    ]
    return Made({"atlas": pd.DataFrame(rows)})


@step("head_matches")
def head_matches(
    tables: TablesByPath, of_reference: ModelsByPath, statistics: dict[str, Any]
) -> Made:
    """The heads of the study's first model, and those of another one that do the same."""
    import pandas as pd

    from negtrace.statistics.effect_sizes import Options
    from negtrace.statistics.model_pairs import head_matches

    run, reference, options = _run(tables), _run(of_reference), Options(**statistics)
    name = next(iter(of_reference)).parents[1].name
    found = [
        head_matches(run, reference, sweep, options).assign(
            reference=name, direction=sweep.split(".")[1]
        )
        for sweep in run.sweeps
    ]
    return Made({"head_matches": pd.concat(found, ignore_index=True)})


@step("base_difference")
def base_difference(
    tables: TablesByPath, of_base: ModelsByPath, statistics: dict[str, Any]
) -> Made:
    """What fine-tuning changed in every cell of every sweep."""
    import pandas as pd

    from negtrace.statistics.effect_sizes import Options
    from negtrace.statistics.model_pairs import base_difference

    run, base, options = _run(tables), _run(of_base), Options(**statistics)
    name = next(iter(of_base)).parents[1].name
    found = [base_difference(run, base, sweep, options) for sweep in run.sweeps]
    return Made({"base_difference": pd.concat(found, ignore_index=True).assign(base=name)})


def _run(tables: TablesByPath) -> Run:
    """A run's tables, told apart by the names of their files."""
    from negtrace.statistics.atlas import Run

    named = {path.stem: table for path, table in tables.items()}
    sweeps = {
        name.partition(".")[2]: table for name, table in named.items() if name.startswith("sweep.")
    }
    return Run(sweeps, named["scores"], named["segments"], named.get("attention"))
