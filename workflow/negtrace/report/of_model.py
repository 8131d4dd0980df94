"""What the page says of a dataset and model besides sections: published numbers, other choices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from negtrace.replication import ledger_summary
from negtrace.report import robustness
from negtrace.report.pictures import Picture, data_uri, picture
from negtrace.report.section import anchor_of


@dataclass(frozen=True)
class OfModel:
    """A dataset and model, in all wordings."""

    dataset: str
    model: str

    @property
    def heading(self) -> str:
        return f"{self.model} on {self.dataset}"


@dataclass(frozen=True)
class Comparison(OfModel):
    """One dataset and model beside published numbers.

    Args:
        summary: table ``ledger_summary``.
        identity: table ``identity``, where the model goes by the published name.
        figure: picture file.
    """

    summary: pd.DataFrame
    identity: pd.DataFrame | None
    figure: Path

    @property
    def anchor(self) -> str:
        return anchor_of(f"ledger-{self.dataset}-{self.model}")

    @property
    def file(self) -> str:
        return self.figure.with_name("ledger_summary.parquet").as_posix()

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
class Choices(OfModel):
    """One dataset and model under other ways of analysing it.

    Args:
        curve: table ``specification``.
        figure: picture file.
    """

    curve: pd.DataFrame
    figure: Path

    @property
    def anchor(self) -> str:
        return anchor_of(f"choices-{self.dataset}-{self.model}")

    @property
    def file(self) -> str:
        return self.figure.with_name("specification.parquet").as_posix()

    @property
    def sentences(self) -> list[str]:
        return robustness.of_specification(self.curve)

    @property
    def picture(self) -> Picture:
        return picture("specification", self.figure)
