"""A section of the report: the results of one dataset, model and wording."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from negtrace.data.pairs import reason_counts
from negtrace.figures.contrast_words import NEGATION, said_of
from negtrace.report import alts, findings
from negtrace.report.blocks import packed
from negtrace.report.pictures import Picture, picture
from negtrace.report.statements import statements_of
from negtrace.study import places
from negtrace.study.interventions import FIGURE as INTERVENTION
from negtrace.study.interventions import site_of
from negtrace.vocabulary import (
    ALL,
    CONTRASTS,
    CONTROLS,
    FIGURES,
    SEGMENTS,
    SITES,
    Site,
)

SIGNED_ZERO = re.compile(r"(?<![\w.])-(0(?:\.0+)?)(?!\w|\.\d)")
HYPHEN = re.compile(r"(?:(?<![\w.-])|(?<=\de))-(?=\d)")  # in the place of a minus sign

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
        contributions: table ``contribution_map``.
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
    contributions: pd.DataFrame | None = None
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
        return HYPHEN.sub("−", SIGNED_ZERO.sub(r"\1", said_of(text, self.contrast)))

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
        """(title, sentences) of all that the numbers say."""
        return [(self.said(title), [*map(self.said, said)]) for title, said in statements_of(self)]

    def site_of(self, sweep: str) -> Site:
        """The site of a sweep, or the study's own intervention."""
        return site_of(sweep.split(".")[0], self.interventions)

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

    @cached_property
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
