"""The report: one HTML file with figures inside, readable without a network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from negtrace import findings

TEMPLATES = Path(__file__).parents[1] / "report"

MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}

# Order and captions of figures; a name is the part of the file name before the first dot.
CAPTIONS = {
    "histogram_of_d": (
        "Items by d",
        "d is the score of the caption minus the score of the foil; items right of 0 are "
        "classified correctly. Dashed lines separate the segments incorrect, ambiguous and "
        "correct.",
    ),
    "cte_map": (
        "Restoration by token and hidden state",
        "One hidden state at one token is copied from the source run into the base run; a cell "
        "is the mean share of the negation's effect on the score that comes back (0: none, 1: "
        "all). Bars: standard deviation over items and tokens.",
    ),
    "head_restoration": (
        "Restoration by head",
        "One head's output is copied at all positions. Frames mark the three strongest heads of "
        "each panel; bars are means over a block's heads.",
    ),
    "selectivity": (
        "Negator selectivity by head",
        "How much more a head attends to the negator than to the word in its place in the "
        "affirmative sentence, at the later token where that difference is largest.",
    ),
    "attention_by_role": (
        "Attention to the negator by query token",
        "Attention to the negator minus attention to its counterpart, for every head of one "
        "block and every token that attends.",
    ),
}


@dataclass(frozen=True)
class Section:
    """Results of one dataset, model and wording."""

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

    @property
    def notices(self) -> list[str]:
        """What a reader must know before reading any number."""
        found = []
        if self.kind == "scenes":
            found.append(
                "The demo world and its model show the method on a subject with a known task. "
                "They say nothing about OpenAI's CLIP."
            )
        if self.identity.get("random"):
            found.append(
                "The weights are random: nothing was learned, and the maps are null pictures."
            )
        return found

    @property
    def sentences(self) -> list[str]:
        """What the numbers say."""
        said = findings.of_accuracy(self.accuracy)
        for sweep, table in self.maps.items():
            site, direction = sweep.split(".")
            lead = f"Direction {direction}: " if len(self.maps) > 2 else ""
            of_site = (
                findings.of_resid(table, self.segment)
                if site == "resid"
                else findings.of_heads(table, self.segment, "restoration")
            )
            said += [lead + sentence for sentence in of_site]
        said += findings.of_heads(self.selectivity, self.segment, "selectivity")
        for sweep, table in self.maps.items():
            if sweep.startswith("head"):
                said += findings.of_overlap(table, self.selectivity, self.segment)
        return said

    @property
    def pictures(self) -> list[tuple[str, str, str]]:
        """(title, caption, data URI) of every figure, in reading order."""
        ordered = sorted(
            self.figures.items(), key=lambda f: list(CAPTIONS).index(f[0].split(".")[0])
        )
        shown = []
        for name, path in ordered:
            title, caption = CAPTIONS[name.split(".")[0]]
            direction = name.partition(".")[2]
            shown.append(
                (f"{title} ({direction})" if direction else title, caption, data_uri(path))
            )
        return shown

    @property
    def excluded_counts(self) -> list[tuple[str, int]]:
        return list(self.excluded["reason"].value_counts().items())

    @property
    def table_rows(self) -> list[tuple[str, int]]:
        """(path, rows) of every table."""
        return [(str(path), pq.read_metadata(path).num_rows) for path in self.tables]


def data_uri(path: Path) -> str:
    """A picture as a data URI."""
    content = base64.b64encode(path.read_bytes()).decode()
    return f"data:{MEDIA_TYPES[path.suffix]};base64,{content}"


def render(title: str, sections: Sequence[Section], config: str) -> str:
    """The report as one HTML document.

    Args:
        title: the study's title.
        sections: one for each dataset, model and wording.
        config: the merged configuration as YAML.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    return template.render(title=title, sections=sections, config=config)
