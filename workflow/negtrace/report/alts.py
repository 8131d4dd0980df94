"""Alternative texts: what a figure shows, said in the sentence that the report draws from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from negtrace.report import attribution, circuits, directions, evidence, findings, mechanism
from negtrace.report.mending import of_mending
from negtrace.report.templates import of_templates

if TYPE_CHECKING:
    from negtrace.report.section import Section


def alt(section: Section, name: str, title: str) -> str:
    """The title of a figure and its finding; the section's headline where no sentence is of it.

    Args:
        name: of the figure, as in ``cte_map-negate``.
    """
    kind, _, of = name.replace("-", ".").partition(".")
    said = _sentences(section, kind, of) or [section.headline]
    return f"{title}. {section.said(said[0])}"


def _sentences(section: Section, kind: str, of: str) -> Sequence[str]:
    alpha = section.alpha
    match kind:
        case "histogram_of_d" | "d_by_similarity" | "d_by_subject_size" | "d_by_tokens":
            return findings.of_accuracy(section.accuracy)
        case "selectivity" | "attention_by_role" | "selectivity_correlation":
            return findings.of_heads(section.selectivity, "selectivity", alpha)
        case "transfer" if of in section.donors:
            return evidence.of_transfer(section.donors[of], section.maps[of], alpha)
        case "ablation" if section.confirmation is not None:
            return evidence.of_confirmation(*section.confirmation[:2])
        case "faithfulness" if section.confirmation is not None:
            return [evidence.of_minimality(section.confirmation[2], alpha)]
        case "circuit" if section.circuit is not None:
            return circuits.of_edges(section.circuit[0], alpha)
        case "attribution" if section.attribution is not None:
            return attribution.of_attribution(*section.attribution)
        case "mending" if section.mending is not None:
            return of_mending(section.mending)
        case "mechanism" if section.mechanism is not None:
            return mechanism.of_mechanism(*section.mechanism, alpha)
        case "directions" if section.directions is not None:
            return directions.of_directions(*section.directions, alpha)
        case "planted" if section.planted is not None:
            return evidence.of_planted(section.planted)
        case "templates" if (tables := section.templates.get(f"head.{of}")) is not None:
            return of_templates(tables, 1 - alpha)
    return []
