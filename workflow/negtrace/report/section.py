"""A section of the report: the results of one dataset, model and wording."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from negtrace.data.pairs import reason_counts
from negtrace.figures.contrast_words import NEGATION, said_of
from negtrace.report import (
    alts,
    attribution,
    cautions,
    circuits,
    directions,
    evidence,
    findings,
    mechanism,
    robustness,
    routes,
)
from negtrace.report.blocks import packed
from negtrace.report.mending import of_mending
from negtrace.report.pictures import Picture, picture
from negtrace.report.templates import of_templates
from negtrace.study import places
from negtrace.study.interventions import FIGURE as INTERVENTION
from negtrace.study.interventions import site_of
from negtrace.vocabulary import (
    ALL,
    CONFIRMATIONS,
    CONTRASTS,
    CONTROLS,
    FIGURES,
    SEGMENTS,
    SITES,
    Site,
)

SIGNED_ZERO = re.compile(r"(?<![\w.])-(0(?:\.0+)?)(?!\w|\.\d)")

DEMO_NOTICE = (
    "This is the demo world: the method at work on a small subject with a known task. It says "
    "nothing about OpenAI's CLIP."
)
CONTRAST_NOTICE = (
    "No study of negations: {}. Tables call the source sentence negated and the base affirmative."
)
ASSUMED_NOTICE = (
    "Assumed activation: {}. With the other one every number here is wrong; the key quick_gelu of "
    "the model's entry settles it."
)


@dataclass(frozen=True)
class Section:
    """Results of one dataset, model and wording.

    Args:
        kind: the dataset's kind in the configuration.
        identity: the model's identity, with hashes of its weights; see `openclip.load`.
        provenance: of the table ``scores``; see `store.provenance`.
        excluded, accuracy: these tables.
        selectivity: table ``selectivity_map``.
        maps: ``restoration_map`` by sweep, as in ``resid.negate``.
        figures: picture files by name, as in ``cte_map.negate``.
        tables: paths of all tables, to list.
        segment: the segment that maps show where they can.
        items: table ``segments``; without it, small denominators go unnoticed.
        stability: tables ``overlap`` and ``split_halves`` by sweep.
        alpha: level of the tests.
        donors: table ``donor_map`` by sweep.
        planted: table of that name, of a constructed model.
        templates: tables of `layout.TEMPLATE_TABLES` by name, by sweep of site head, of a templates
            dataset.
        confirmation: tables of that name, ``ablations`` and ``minimality``, of ablated heads.
        family: table ``study_tests`` of the model.
        spread: table of that name by sweep.
        certificate: table of that name.
        contrast: what the dataset's pairs differ in.
        blocks: what the page's script shows of it, packed, by name.
        example: an item of it (`verdict.example`), with its picture.
        pictures_of: the block of its pictures, without its ending.
        seconds: what its jobs took, where that is recorded.
        circuit: tables ``edge_map``, ``circuit`` and ``circuit_minimality``.
        attribution: tables ``attribution_trust`` and ``attribution_map``.
        interventions: those of the configuration.
        mending, mechanism, directions: tables of these, as `of_mending` and so on take them.
    """

    dataset: str
    model: str
    wording: str
    kind: str
    identity: Mapping[str, Any]
    provenance: Mapping[str, Any]
    excluded: pd.DataFrame
    accuracy: pd.DataFrame
    selectivity: pd.DataFrame
    maps: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Path]
    tables: Sequence[Path]
    segment: str
    items: pd.DataFrame | None = None
    stability: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]] = field(default_factory=dict)
    alpha: float = 0.05
    planted: pd.DataFrame | None = None
    templates: Mapping[str, Mapping[str, pd.DataFrame]] = field(default_factory=dict)
    donors: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    confirmation: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame] | None = None
    family: pd.DataFrame | None = None
    spread: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    certificate: pd.DataFrame | None = None
    contrast: str = NEGATION
    blocks: Mapping[str, str] = field(default_factory=dict)
    example: Mapping[str, Any] | None = None
    pictures_of: str = ""
    seconds: float | None = None
    circuit: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame] | None = None
    attribution: tuple[pd.DataFrame, pd.DataFrame] | None = None
    interventions: Mapping[str, Any] = field(default_factory=dict)
    mending: pd.DataFrame | None = None
    mechanism: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame] | None = None
    directions: tuple[pd.DataFrame, pd.DataFrame] | None = None

    @property
    def heading(self) -> str:
        return f"{self.model} on {self.dataset}, {self.wording} wording"

    @property
    def anchor(self) -> str:
        """An id for the section, of characters that need no escaping."""
        return anchor_of(f"{self.dataset}-{self.model}-{self.wording}")

    def with_data(self, blocks: Mapping[str, Any], example: Mapping[str, Any] | None) -> Section:
        """The section with what the page's script shows of it, by kind."""
        named = {f"{self.anchor}-{kind}": packed(value) for kind, value in blocks.items()}
        return replace(self, blocks=named, example=example)

    @property
    def notices(self) -> list[str]:
        """What a reader must know before reading any number."""
        found = [DEMO_NOTICE] if self.kind == "scenes" else []
        found += [CONTROLS[self.kind].notice] if self.kind in CONTROLS else []
        found += [CONTROLS["random"].notice] if self.identity.get("random") else []
        assumed = self.identity.get("activation_assumed")
        found += [ASSUMED_NOTICE.format(assumed)] if assumed else []
        found = list(map(self.said, found))
        if self.contrast != NEGATION:
            found.insert(0, CONTRAST_NOTICE.format(CONTRASTS[self.contrast].about))
        return found

    def said(self, text: str) -> str:
        """A text about negation as one about the dataset's contrast; no zero has a sign."""
        return SIGNED_ZERO.sub(r"\1", said_of(text, self.contrast))

    @cached_property
    def headline(self) -> str:
        resid, heads = (self.first_map(site) for site in ("resid", "head"))
        return self.said(findings.headline(self.accuracy, resid, heads, self.alpha))

    @property
    def sentences(self) -> list[str]:
        """What the numbers say."""
        return [sentence for _, sentences in self.statements for sentence in sentences]

    @cached_property
    def statements(self) -> list[tuple[str, list[str]]]:
        """(title, sentences) of all that the numbers say, with cautions first."""
        found = [*self._of_constructed(), ("Items", self._of_items())]
        for sweep, table in self.maps.items():
            found.append(
                (self._titled(self.site_of(sweep).title, sweep), self._of_map(sweep, table))
            )
        selective = findings.of_heads(self.selectivity, "selectivity", self.alpha)
        found.append((FIGURES["selectivity"].title, selective))
        for name, said in self._of_confirmations():
            found.append((CONFIRMATIONS[name].title, said))
        return [(self.said(title), [*map(self.said, said)]) for title, said in found if said]

    def _of_constructed(self) -> Iterator[tuple[str, list[str]]]:
        if self.planted is not None:
            yield "The planted circuit", evidence.of_planted(self.planted)
        for sweep, tables in self.templates.items():
            title = self._titled(FIGURES["templates"].title, sweep)
            yield title, of_templates(tables, 1 - self.alpha)

    def _of_items(self) -> list[str]:
        said = findings.of_accuracy(self.accuracy)
        if self.certificate is not None:
            said.append(evidence.of_certificate(self.certificate))
        if self.family is not None:
            said.append(evidence.of_family(self.family, self.alpha))
        if self.maps:
            any_map = next(iter(self.maps.values()))
            said += cautions.of_cautions(any_map, self.segment, self.items)
        return said

    def _of_confirmations(self) -> Iterator[tuple[str, list[str]]]:
        if self.confirmation is not None:
            confirmation, ablations, minimality = self.confirmation
            said = evidence.of_confirmation(confirmation, ablations)
            yield "ablation", [*said, evidence.of_minimality(minimality, self.alpha)]
        if self.circuit is not None:
            edges, circuit, needed = self.circuit
            said = circuits.of_edges(edges, self.alpha)
            yield "edges", said + circuits.of_circuit(circuit, needed, self.alpha)
        if self.attribution is not None:
            yield "attribution", attribution.of_attribution(*self.attribution)
        if self.mending is not None:
            yield "mending", of_mending(self.mending)
        if self.mechanism is not None:
            yield "mechanism", mechanism.of_mechanism(*self.mechanism, self.alpha)
        if self.directions is not None:
            yield "direction", directions.of_directions(*self.directions, self.alpha)

    def _of_map(self, sweep: str, table: pd.DataFrame) -> list[str]:
        site = self.site_of(sweep)
        if site.name == "resid":
            said = routes.of_resid(table, self.alpha)
        elif table["head"].notna().any():
            patched = "" if site.name == "head" else f" by {site.label}"
            said = findings.of_heads(table, f"restoration{patched}", self.alpha)
        else:
            said = findings.of_blocks(table, site, self.alpha)
        said = said + evidence.of_significance(table, site.label, self.alpha)
        if sweep in self.spread:
            said += robustness.of_spread(self.spread[sweep], table, self.alpha)
        if sweep in self.stability and "head" in table and table["head"].notna().any():
            said += robustness.of_stability(*self.stability[sweep], self.alpha)
        if sweep.startswith("head."):
            said += findings.of_overlap(table, self.selectivity, self.alpha)
        if sweep in self.donors:
            donors = self.donors[sweep]
            said += evidence.of_placebo(donors, site.label, self.alpha)
            said += evidence.of_transfer(donors, table, self.alpha)
        return said

    def site_of(self, sweep: str) -> Site:
        """The site of a sweep, or the study's own intervention."""
        return site_of(sweep.split(".")[0], self.interventions)

    def _titled(self, title: str, sweep: str) -> str:
        """A title about a sweep, with its direction where the study has more than one."""
        directions = {name.split(".")[1] for name in self.maps}
        return f"{title}, direction {sweep.split('.')[1]}" if len(directions) > 1 else title

    def first_map(self, site: str) -> pd.DataFrame | None:
        """The site's map in direction negate, or else in the direction there is."""
        names = sorted(
            (name for name in self.maps if name.startswith(f"{site}.")),
            key=lambda name: not name.endswith(".negate"),
        )
        return self.maps[names[0]] if names else None

    @property
    def pictures(self) -> list[Picture]:
        """All figures, the known ones first and in reading order."""
        known = list(FIGURES)

        def place(name: str) -> tuple[int, str]:
            kind = name.split(".")[0]
            return (known.index(kind) if kind in known else len(known), name)

        shown = [
            picture(name, self.figures[name], self.interventions)
            for name in sorted(self.figures, key=place)
        ]
        return [
            one._replace(
                title=self.said(one.title),
                caption=[*map(self.said, one.caption), *self._counts(one.name)],
                alt=alts.alt(self, one.name, self.said(one.title)),
            )
            for one in shown
        ]

    def _counts(self, name: str) -> list[str]:
        """Of what a figure is that every run has; others say it themselves."""
        kind = name.partition("-")[0]
        if kind not in FIGURES or not FIGURES[kind].of_run:
            return []
        overall: Any = self.accuracy.set_index("negation").loc[ALL]
        items = findings.plural(overall["n_items"], "item")
        return [f"Of {items}, {findings.plural(overall['n_pairs'], 'distinct pair')} of sentences."]

    @property
    def plain_pictures(self) -> list[Picture]:
        """The figures that are no maps, which the page draws itself."""
        maps = {*(site.figure for site in SITES.values()), INTERVENTION} | {
            f"{SITES['resid'].figure}_{segment}" for segment in SEGMENTS
        }
        return [one for one in self.pictures if one.name.partition("-")[0] not in maps]

    @property
    def excluded_counts(self) -> list[tuple[str, int]]:
        """(reason, number of items), the most frequent first."""
        counts = reason_counts(self.excluded)
        return [(str(reason), count) for reason, count in counts.items()]

    @property
    def facts(self) -> list[tuple[str, list[tuple[str, Any]]]]:
        """What the numbers depend on: (label, [(name, value)])."""
        provenance = self.provenance
        hashes = [(f"sha256 of {name}", value) for name, value in _items(provenance, "inputs")]
        seed = [("seed", provenance["seed"])] if provenance.get("seed") is not None else []
        return [
            ("Dataset", [("kind", self.kind), ("contrast", self.contrast)]),
            ("Model", list(self.identity.items())),
            ("Forward runs", [*_items(provenance, "params"), *seed, *hashes]),
            ("Versions", [*_negtrace(provenance), *_items(provenance, "versions")]),
        ]

    @property
    def table_rows(self) -> list[tuple[str, int]]:
        """(path, rows) of every table."""
        return [(places.shown(path), pq.read_metadata(path).num_rows) for path in self.tables]


def anchor_of(text: str) -> str:
    """An id of characters that need no escaping; other characters by their numbers."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: f"_{ord(found[0]):x}", text)


def _items(provenance: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    return list((provenance.get(key) or {}).items())


def _negtrace(provenance: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [("negtrace", provenance["negtrace"])] if "negtrace" in provenance else []
