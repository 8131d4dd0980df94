"""The verdict: what a study found, how sure that is, and what speaks against it, in a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from negtrace.figures.shown import listed
from negtrace.report import cautions, evidence
from negtrace.report.findings import plural, top_heads
from negtrace.report.routes import grids, route
from negtrace.report.section import Section
from negtrace.report.templates import of_templates
from negtrace.statistics.credible import NOTABLE, credible, has_effect, over_all_items, pooled
from negtrace.vocabulary import ALL, CONTROLS, DONORS

LISTED_HEADS = 4

_NULLS = {"random": "random heads", "layer_matched": "heads of the same blocks"}


@dataclass(frozen=True)
class Verdict:
    """What is said of one section on the first screen.

    Args:
        title: the finding in one line.
        claim: its main numbers.
        support: (what was done, what it says) of each check.
        against: what makes it less sure, or was not tried.
    """

    title: str
    claim: str
    support: list[tuple[str, str]]
    against: list[str]


def verdict(section: Section, controls: Sequence[Section] = ()) -> Verdict:
    """The verdict on a section.

    Args:
        controls: sections of its negative controls.
    """
    said = section.said
    return Verdict(
        said(_title(section)),
        section.headline,
        [(name, said(text)) for name, text in _support(section, controls)],
        [*section.notices, *map(said, _against(section, controls))],
    )


def _title(section: Section) -> str:
    resid, heads = section.first_map("resid"), section.first_map("head")
    maps = [table for table in (resid, heads) if table is not None and len(over_all_items(table))]
    if not maps:
        return "No map of this study was swept over items"
    if not any(has_effect(table) for table in maps):
        return "No effect of the negation was found"
    parts = []
    if resid is not None and credible(pooled(resid), section.alpha).any():
        way = route(*grids(pooled(resid), section.alpha))
        if way.arrives is not None:
            left = f" from {way.edited}" if way.leaves is not None else ""
            parts.append(f"the negation's effect passes{left} to EOT by hidden state {way.arrives}")
    if heads is not None:
        best = [h for h in top_heads(heads, section.alpha, LISTED_HEADS) if h.mean >= NOTABLE]
        if best:
            names = listed(f"{head.layer}.{head.number}" for head in best)
            carry = "head {} carries" if len(best) == 1 else "heads {} carry"
            parts.append(f"{carry.format(names)} most of what one head restores")
        else:
            parts.append(f"no single head restores {NOTABLE:g} of it or more")
    text = "; ".join(parts) or "An effect of the negation was found, but no place that holds it"
    return text[0].upper() + text[1:]


def _support(section: Section, controls: Sequence[Section]) -> list[tuple[str, str]]:
    said = []
    heads = section.first_map("head")
    if heads is not None:
        best = [str(head) for head in top_heads(heads, section.alpha) if head.mean >= NOTABLE]
        if best:
            said.append(("Interval", f"Restoration, ratio of means: {'; '.join(best)}."))
    for sweep, table in section.donors.items():
        if sweep.startswith("head."):
            said += [
                ("Placebo", text) for text in evidence.of_placebo(table, "head", section.alpha)
            ]
    if section.confirmation is not None:
        confirmation, ablations, _ = section.confirmation
        said.append(("Ablation", " ".join(evidence.of_confirmation(confirmation, ablations))))
    for tables in section.templates.values():
        said.append(("Templates", of_templates(tables, 1 - section.alpha)[0]))
    said += [("Control", f"{control.heading}: {control.headline}") for control in controls]
    return said


def _against(section: Section, controls: Sequence[Section]) -> list[str]:
    said = []
    if section.maps:
        any_map = next(iter(section.maps.values()))
        said += cautions.of_cautions(any_map, section.segment, section.items)
    if section.confirmation is not None:
        tests, _, minimality = section.confirmation
        wanted = (tests["negation"] == ALL) & (tests["measure"] == "mean_d") & (tests["n_sets"] > 0)
        weak: Any = tests[wanted & (tests["p"] > section.alpha)].itertuples()
        said += [
            f"Ablating the found heads lowers mean d no more than as many {_NULLS[row.null]} do"
            f" (one-sided p {row.p:.2g}, {plural(row.n_sets, 'set')})."
            for row in weak
        ]
        idle = minimality[~((minimality["p_fwer"] <= section.alpha) & (minimality["loss"] > 0))]
        rows: Any = idle.itertuples()
        if len(idle):
            names = listed(f"{row.layer}.{row.head}" for row in rows)
            said.append(
                f"Of the heads ablated together, {names} {'is' if len(idle) == 1 else 'are'} not"
                " shown to be needed."
            )
    untried = [f"no {name}" for name in DONORS if not _has_donor(section, name)]
    untried += [] if section.confirmation is not None else ["no ablation"]
    untried += [] if controls else [f"no negative control ({listed(CONTROLS)})"]
    if untried:
        said.append(f"Not tried in this study: {listed(untried)}.")
    return said


def _has_donor(section: Section, donor: str) -> bool:
    return any(len(evidence.of_donor(t, donor)) for t in section.donors.values() if len(t))


def example(section: Section, items: pd.DataFrame, scores: pd.DataFrame) -> dict[str, Any] | None:
    """The item whose d is the median one, with its sentences and scores; None without items.

    Args:
        items: table ``candidates``.
        scores: table ``scores``.
    """
    if section.items is None or section.items.empty:
        return None
    known = section.items.sort_values("d", kind="stable")
    middle: Any = known.iloc[(len(known) - 1) // 2]
    told: Any = items.set_index("item_id").loc[middle["item_id"]]
    score: Any = scores.set_index("item_id").loc[middle["item_id"]]
    return {
        "item_id": middle["item_id"],
        "image_file": told["image_file"],
        "negation": middle["negation"],
        "negated": told["negated"],
        "affirmative": told["affirmative"],
        "s_negated": score["s_negated"],
        "s_affirmative": score["s_affirmative"],
        "d": middle["d"],
        "of": len(known),
    }
