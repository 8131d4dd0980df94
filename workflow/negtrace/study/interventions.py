"""Interventions that a study names: whether they are defined, and what they are in words.

Imported when Snakemake builds the job graph: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from negtrace.errors import InputError
from negtrace.messages import did_you_mean
from negtrace.study.combinations import check_combination
from negtrace.vocabulary import SITES, Site

# Stem of the figures of their maps.
FIGURE = "intervention"

REPLACED_BY = {
    "zero": ", replaced by zeros",
    "mean": ", replaced by its mean",
    "random": ", moved in a random direction",
}


def check_interventions(config: Mapping[str, Any]) -> None:
    """Every site of the study is a site or an intervention, and every intervention is defined.

    Raises:
        InputError: names the key.
    """
    entries = config["interventions"]
    for name, entry in entries.items():
        key = f"configuration: interventions.{name}"
        if name in SITES:
            raise InputError(f"{key}: there is a site of that name; choose another")
        options = {key: entry[key] for key in entry if key not in ("site", "positions")}
        try:
            check_combination(entry["site"], **options)
        except InputError as error:
            raise InputError(f"{key}: {error}") from error
        if {*entry} == {"site"}:
            raise InputError(
                f"{key}: changes nothing about the site {entry['site']}; name that in study.sites"
            )
    known = [*SITES, *entries]
    for number, site in enumerate(config["study"]["sites"]):
        if site not in known:
            raise InputError(
                f"configuration: study.sites.{number} is {site!r}{did_you_mean(site, known)} "
                f"(allowed: {', '.join(known)})"
            )


def used(config: Mapping[str, Any]) -> dict[str, Any]:
    """The interventions that the study sweeps."""
    entries = config["interventions"]
    return {name: entries[name] for name in config["study"]["sites"] if name in entries}


def site_of(name: str, entries: Mapping[str, Any]) -> Site:
    """A site as maps, figures and sentences need it, or an intervention as one.

    Args:
        entries: the configuration's ``interventions``.
    """
    if name in SITES:
        return SITES[name]
    entry = entries[name]
    label, figure = f"{in_words(entry)} ({name})", f"{FIGURE}.{name}"
    title = f"Restoration by {label}"
    return SITES[entry["site"]]._replace(name=name, label=label, figure=figure, title=title)


def in_words(entry: Mapping[str, Any]) -> str:
    """What an intervention replaces, and by what."""
    words = SITES[entry["site"]].label
    if (window := entry.get("window", 1)) > 1:
        words += f" of {window} blocks at once"
    if "head_sets" in entry:
        words = f"{len(entry['head_sets'])} sets of heads"
    positions = entry.get("positions")
    if positions == "each":
        words += ", token by token"
    elif positions == "all":
        words += " at all tokens at once"
    elif positions:
        words += f" at {' and '.join(positions)}"
    return words + REPLACED_BY.get(entry.get("donor", "source"), "")
