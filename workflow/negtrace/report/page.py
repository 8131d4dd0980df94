"""The report: one HTML file with figures inside, readable without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from negtrace.figures.contrast_words import NEGATION
from negtrace.replication import ledger_summary
from negtrace.report import robustness
from negtrace.report.pictures import Picture, data_uri, picture
from negtrace.report.section import Section

TEMPLATES = Path(__file__).parents[2] / "report"

DEFINITIONS = {
    "Pair": "The two sentences of an item, the source and the base; of a negation the negated and "
    "the affirmative one. Several items (images) can share a pair.",
    "S(s, i)": "Score of sentence s for image i: the logit scale times the cosine of their "
    "embeddings.",
    "d": "S(caption) − S(foil). An item is classified correctly if d is above 0; its segment "
    "depends on how far d is from 0.",
    "Restoration": "(S patched − S base) / (S source − S base): 0 if the patch changes nothing, 1 "
    "if it brings the whole effect of the source sentence.",
    "Direction": "negate: activations of the source (the negated sentence) are patched into the "
    "base (the affirmative one). affirm: the reverse.",
    "Hidden state": "The residual stream: 0 is the embedding, l the output of block l. Blocks and "
    "heads are counted from 1.",
    "Selectivity": "Mean over items of the largest difference, over tokens after the negator, "
    "between a head's attention to the negator (in another contrast, to the words that differ) and "
    "to the same place in the other sentence.",
}


@dataclass(frozen=True)
class Comparison:
    """One dataset and model beside published numbers.

    Args:
        summary: table ``ledger_summary``.
        identity: table ``identity``, where the model goes by the published name.
        figure: picture file.
    """

    dataset: str
    model: str
    summary: pd.DataFrame
    identity: pd.DataFrame | None
    figure: Path

    @property
    def heading(self) -> str:
        return f"{self.model} on {self.dataset}"

    @property
    def obstacle(self) -> str | None:
        """Why nothing at all can be compared, or None."""
        compared = self.summary["n"].sum() - self.summary["n_not_comparable"].sum()
        return None if compared else "; ".join(self.summary["reasons"].dropna().unique())

    @property
    def sentences(self) -> list[str]:
        return ledger_summary.sentences(self.summary, self.identity)

    @property
    def source(self) -> str:
        return data_uri(self.figure)


@dataclass(frozen=True)
class Choices:
    """One dataset and model under other ways of analysing it.

    Args:
        curve: table ``specification``.
        figure: picture file.
    """

    dataset: str
    model: str
    curve: pd.DataFrame
    figure: Path

    @property
    def heading(self) -> str:
        return f"{self.model} on {self.dataset}"

    @property
    def sentences(self) -> list[str]:
        return robustness.of_specification(self.curve)

    @property
    def picture(self) -> Picture:
        return picture("specification", self.figure)


def render(
    title: str,
    sections: Sequence[Section],
    config: str,
    comparisons: Sequence[Comparison] = (),
    choices: Sequence[Choices] = (),
) -> str:
    """The report as one HTML document; all text from outside is escaped.

    Args:
        title: the study's title.
        sections: one for each dataset, model and wording.
        config: the merged configuration as YAML.
        comparisons, choices: one for each dataset and model.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("template.html.j2")
    return template.render(
        title=title,
        subject=_subject(sections),
        sections=sections,
        config=config,
        comparisons=comparisons,
        choices=choices,
        definitions=DEFINITIONS,
    )


def _subject(sections: Sequence[Section]) -> str:
    """What the study is about."""
    negations = [section.contrast == NEGATION for section in sections]
    return "negation" if all(negations) else "what two sentences differ in"
