"""Figures as the report shows them: title, caption, and the picture inside the page."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from negtrace.study import places
from negtrace.study.interventions import site_of
from negtrace.vocabulary import FIGURES

CAPTIONS = Path(__file__).parents[2] / "report" / "captions"

# What makes a drawn figure follow a dark page: paper, lines and text change, data do not.
DARK = (
    "<style>@media screen and (prefers-color-scheme: dark){"
    'path[style*="fill: #ffffff"]{fill:#15181d !important}'
    '[style*="stroke: #000000"]{stroke:#e6e8eb !important}'
    'path[style*="fill: #000000"]{fill:#e6e8eb !important}'
    'text:not([style*="fill:"]){fill:#e6e8eb}'
    "}</style>"
)
_OPENING = re.compile(rb"<svg\b[^>]*>")

MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


class Picture(NamedTuple):
    """A figure as the report shows it."""

    name: str  # of the file, without its ending
    title: str
    caption: list[str]  # paragraphs
    source: str  # data URI
    path: str  # of its file
    alt: str = ""  # what it shows


def picture(name: str, path: Path, interventions: Mapping[str, Any] | None = None) -> Picture:
    """A figure with its title and caption; one without a caption keeps its name as title.

    Args:
        interventions: those of the configuration.
    """
    kind, _, of = name.partition(".")
    title = FIGURES[kind].title if kind in FIGURES else kind.replace("_", " ")
    site, _, direction = of.rpartition(".")
    title += f", by {site_of(site, interventions or {}).label}" if site else ""
    return Picture(
        name.replace(".", "-"),
        f"{title}, direction {direction}" if direction else title,
        caption(kind),
        data_uri(path),
        places.shown(path),
    )


def caption(kind: str) -> list[str]:
    """Paragraphs of a figure's caption; none if it has no file."""
    path = CAPTIONS / f"{kind}.rst"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]


def data_uri(path: Path) -> str:
    """A picture as a data URI; as an image of its own its element ids cannot meet another's."""
    content = path.read_bytes()
    if path.suffix == ".svg":
        content = _OPENING.sub(rb"\g<0>" + DARK.encode(), content, count=1)
    return f"data:{MEDIA_TYPES[path.suffix]};base64,{base64.b64encode(content).decode()}"
