"""Places: where results lie, as steps and rules both have to know it.

Apart from the layout of a study, which changes with every figure's title.  Standard library only.
"""

from __future__ import annotations

from pathlib import PurePath

# Where all results go, from the working folder.
RESULTS = "results"

TOWER_DESCRIPTION = "tower.json"
TOWER_WEIGHTS = "tower.safetensors"

# Of a dataset and wording, whatever the model.
DATASET_TABLES = ("pairs", "excluded")


def wording_and_table(path: PurePath) -> tuple[str, str]:
    """The wording that a table is of, and its kind, from where it lies."""
    name, _, rest = path.stem.partition(".")
    if name in DATASET_TABLES:
        return rest, name
    return path.parent.name, "restoration_map" if name == "map" else name


def run_of(path: PurePath) -> tuple[str, str]:
    """The dataset and the wording of a run's table, from where it lies."""
    return path.parents[2].name, path.parent.name


def sweep_of(path: PurePath) -> tuple[str, str]:
    """Site and direction of the table of a sweep, or of a shard of it, from its name."""
    _, site, direction, *_ = path.name.split(".")
    return site, direction


def planted_files(folder: str) -> dict[str, str]:
    """What a planted model is made of, by key of a model's entry; its name is the folder's."""
    stem = f"{folder}/plant/{folder.rsplit('/', 1)[-1]}"
    return {"architecture": f"{stem}.json", "weights": f"{stem}.safetensors"}


def shown(path: PurePath) -> str:
    """A result's path from the folder of results on, wherever that lies."""
    parts = path.parts
    return "/".join(parts[parts.index(RESULTS) :]) if RESULTS in parts else path.as_posix()


def root_of(result: PurePath) -> str:
    """What stands before the folder of results in a path of one; empty in the working folder."""
    before, results, _ = f"/{result.as_posix()}".rpartition(f"/{RESULTS}/")
    return f"{before[1:]}/" if results and before else ""
