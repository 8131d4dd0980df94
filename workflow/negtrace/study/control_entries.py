"""Datasets and models that a study's negative controls derive from its own (see `controls.py`).

Imported when Snakemake builds the job graph: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from negtrace.errors import InputError
from negtrace.vocabulary import CONTROLS

# Kinds of derived datasets.
KINDS = tuple(name for name, control in CONTROLS.items() if control.section == "datasets")


def with_controls(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with its controls as datasets and models of their own, in the study too.

    `neutral` and `shuffled` add a dataset ``{name}-{control}`` for each of the study's, `random` a
    model ``{name}-random`` for each of its models that open_clip builds from an architecture.

    Raises:
        InputError: a name is taken.
    """
    changed = deepcopy(dict(config))
    study, seed = changed["study"], changed["statistics"]["seed"]
    datasets, models = list(study["datasets"]), list(study["models"])
    for kind in study["controls"]:
        if kind in KINDS:
            added = {
                f"{name}-{kind}": {"kind": kind, "of": name, "seed": seed} for name in datasets
            }
            section = "datasets"
        else:
            entries = {name: changed["models"][name] for name in models}
            added = {
                f"{name}-{kind}": {
                    "architecture": entry["architecture"],
                    "weights": "random",
                    "seed": seed,
                    **{
                        key: entry[key]
                        for key in ("preprocess", "quick_gelu", "threads")
                        if key in entry
                    },
                }
                for name, entry in entries.items()
                if "architecture" in entry and "family" not in entry
            }
            section = "models"
        for name in added:
            if name in changed[section]:
                raise InputError(
                    f"configuration: study.controls makes {section}.{name}, which is there "
                    "already; rename that entry"
                )
        changed[section].update(added)
        study[section] += added
    return changed


def without_controls(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that `with_controls` makes this one of."""
    changed = deepcopy(dict(config))
    study = changed["study"]
    for kind in reversed(study["controls"]):
        section = "datasets" if kind in KINDS else "models"
        added = {f"{name}-{kind}" for name in study[section]} & set(study[section])
        study[section] = [name for name in study[section] if name not in added]
        changed[section] = {k: v for k, v in changed[section].items() if k not in added}
    return changed
