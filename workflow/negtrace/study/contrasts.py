"""Contrasts of a study's datasets: what the configuration says, and what goes without saying.

Imported when Snakemake builds the job graph: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from negtrace.errors import InputError

DEFAULT = "negation"
# Formats whose other sentences keep the roles that the paper's maps have.
PAPERS = ("valse",)


def contrast_of(datasets: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """A dataset's contrast: kind, roles, and lexicon and add where they are given.

    Args:
        name: a control has the contrast of the dataset that it is derived from.
    """
    entry = datasets[name]
    if entry.get("pairs") == "scope":  # both sentences of a templates dataset are negated
        return {"kind": "caption", "roles": "subject"}
    if "of" in entry:
        return contrast_of(datasets, entry["of"])
    given = entry.get("contrast", {})
    roles = "paper" if entry["kind"] in PAPERS else "subject"
    given = {"kind": given} if isinstance(given, str) else given
    return {"kind": DEFAULT, "roles": roles, **given}


def check_contrasts(config: Mapping[str, Any]) -> None:
    """What only a negation has is asked of no other contrast.

    Raises:
        InputError: names the dataset and the key.
    """
    study = config["study"]
    for name in study["datasets"]:
        contrast = contrast_of(config["datasets"], name)
        if contrast["kind"] == DEFAULT:
            continue
        where = f"configuration: datasets.{name}.contrast is {contrast['kind']}"
        for key, part in (("wordings", "rephrased"), ("controls", "neutral")):
            if part in study[key]:
                raise InputError(
                    f"{where}, but study.{key} has {part}, which is of negations only; take it out"
                )
        for key in ("lexicon", "add"):
            if key in contrast:
                raise InputError(f"{where}, which has no {key} of negators; take the key out")
