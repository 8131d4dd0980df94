"""What the numbers of a section say: titles, and the sentences under each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from negtrace.report import (
    attribution,
    cautions,
    circuits,
    contributions,
    directions,
    evidence,
    findings,
    mechanism,
    robustness,
    routes,
)
from negtrace.report.mending import of_mending
from negtrace.report.templates import of_templates
from negtrace.vocabulary import CONFIRMATIONS, FIGURES

if TYPE_CHECKING:
    from negtrace.report.section import Section

Statements = tuple[str, list[str]]


def statements_of(section: Section) -> Iterator[Statements]:
    """(title, sentences) of everything that has any, with cautions first."""
    for title, said in _of_all(section):
        if said:
            yield title, said


def _of_all(section: Section) -> Iterator[Statements]:
    yield from _of_constructed(section)
    yield "Items", _of_items(section)
    for sweep, table in section.maps.items():
        title = _titled(section, section.site_of(sweep).title, sweep)
        yield title, _of_map(section, sweep, table)
    selective = findings.of_heads(section.selectivity, "selectivity", section.alpha)
    yield FIGURES["selectivity"].title, selective
    for name, said in _of_confirmations(section):
        yield CONFIRMATIONS[name].title, said


def _of_constructed(section: Section) -> Iterator[Statements]:
    if section.planted is not None:
        yield "The planted circuit", evidence.of_planted(section.planted)
    for sweep, tables in section.templates.items():
        title = _titled(section, FIGURES["templates"].title, sweep)
        yield title, of_templates(tables, 1 - section.alpha)


def _of_items(section: Section) -> list[str]:
    said = findings.of_accuracy(section.accuracy)
    if section.certificate is not None:
        said.append(evidence.of_certificate(section.certificate))
    if section.family is not None:
        said.append(evidence.of_family(section.family, section.alpha))
    if section.maps:
        any_map = next(iter(section.maps.values()))
        said += cautions.of_cautions(any_map, section.segment, section.items)
    return said


def _of_confirmations(section: Section) -> Iterator[tuple[str, list[str]]]:
    if section.contributions is not None:
        heads = section.first_map("head")
        said = contributions.of_contributions(section.contributions, heads, section.alpha)
        yield "contributions", said
    if section.confirmation is not None:
        confirmation, ablations, minimality = section.confirmation
        said = evidence.of_confirmation(confirmation, ablations)
        yield "ablation", [*said, evidence.of_minimality(minimality, section.alpha)]
    if section.circuit is not None:
        edges, circuit, needed = section.circuit
        said = circuits.of_edges(edges, section.alpha)
        yield "edges", said + circuits.of_circuit(circuit, needed, section.alpha)
    if section.attribution is not None:
        yield "attribution", attribution.of_attribution(*section.attribution)
    if section.mending is not None:
        yield "mending", of_mending(section.mending)
    if section.mechanism is not None:
        yield "mechanism", mechanism.of_mechanism(*section.mechanism, section.alpha)
    if section.directions is not None:
        yield "direction", directions.of_directions(*section.directions, section.alpha)


def _of_map(section: Section, sweep: str, table: pd.DataFrame) -> list[str]:
    site = section.site_of(sweep)
    if site.name == "resid":
        said = routes.of_resid(table, section.alpha)
    elif table["head"].notna().any():
        patched = "" if site.name == "head" else f" by {site.label}"
        said = findings.of_heads(table, f"restoration{patched}", section.alpha)
    else:
        said = findings.of_blocks(table, site, section.alpha)
    said = said + evidence.of_significance(table, site.label, section.alpha)
    if sweep in section.spread:
        said += robustness.of_spread(section.spread[sweep], table, section.alpha)
    if sweep in section.stability and "head" in table and table["head"].notna().any():
        said += robustness.of_stability(*section.stability[sweep], section.alpha)
    if sweep.startswith("head."):
        said += findings.of_overlap(table, section.selectivity, section.alpha)
    if sweep in section.donors:
        donors = section.donors[sweep]
        said += evidence.of_placebo(donors, site.label, section.alpha)
        said += evidence.of_transfer(donors, table, section.alpha)
    return said


def _titled(section: Section, title: str, sweep: str) -> str:
    """A title about a sweep, with its direction where the study has more than one."""
    directions = {name.split(".")[1] for name in section.maps}
    return f"{title}, direction {sweep.split('.')[1]}" if len(directions) > 1 else title
