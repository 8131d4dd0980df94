"""Hooks of mkdocs: pages from files elsewhere in the repository, and links between all of them.

Columns, names and the gallery are made from what the library itself reads; README.md and others of
its kind are pages as they are.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from negtrace import vocabulary  # noqa: E402

GALLERY = ROOT / "docs" / "gallery"

# Pages that are files outside docs/.
ELSEWHERE = {
    "index.md": "README.md",
    "results.md": "results/README.md",
    "config.md": "config/README.md",
    "benchmarks.md": "benchmarks/README.md",
    "demo.md": "workflow/demo/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made."""
    from mkdocs.structure.files import File

    made = {
        **{page: (ROOT / source).read_text("utf-8") for page, source in ELSEWHERE.items()},
        "columns.md": columns(),
        "names.md": names(),
        "gallery.md": gallery(),
    }
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to files of the repository at their pages."""
    return linked(markdown, page.file.src_uri)


def linked(markdown: str, page: str) -> str:
    """The text with each link as it is on the site; one to a file that is no page is mere text.

    Args:
        markdown: with links relative to the file that it comes from.
        page: its place below docs/, for a page from elsewhere the one that it gets.
    """
    origin = PurePosixPath(ELSEWHERE.get(page, f"docs/{page}")).parent
    pages = {source: place for place, source in ELSEWHERE.items()}

    def link(found: re.Match[str]) -> str:
        image, text, target = found.groups()
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target) or not path:
            return found[0]
        file = os.path.normpath(origin / path)
        place = pages.get(file) or (file[5:] if file.startswith("docs/") else None)
        if place is None:
            return text
        place = os.path.relpath(place, PurePosixPath(page).parent)
        return f"{image}[{text}]({place}{'#' + anchor if anchor else ''})"

    return LINK.sub(link, markdown)


def table(header: str, rows: Iterator[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [header, "|" + "---|" * (header.count("|") - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def columns() -> str:
    """Every table and its columns, from schemas/tables.json."""
    declared = json.loads((ROOT / "workflow/schemas/tables.json").read_text("utf-8"))
    parts = ["# Columns", declared["description"].replace("<", "&lt;")]
    for name, entry in declared["tables"].items():
        shared = {column: declared["shared"][column] for column in entry.get("shared", ())}
        rows = (
            (
                f"`{column}`",
                spec["type"] + (", may be null" if spec.get("null") else ""),
                spec.get("unit", ""),
                spec["about"].replace("|", "\\|"),
            )
            for column, spec in {**shared, **entry["columns"]}.items()
        )
        parts += [f"## {name}", entry["about"], table("| column | type | unit | |", rows)]
    return "\n\n".join(parts)


def names() -> str:
    """What names in tables and the configuration mean, from the vocabulary."""
    kinds = {
        "Contrasts": ((c.name, c.about) for c in vocabulary.CONTRASTS.values()),
        "Wordings": ((w.name, w.about) for w in vocabulary.WORDINGS.values()),
        "Directions": ((d.name, d.about) for d in vocabulary.DIRECTIONS.values()),
        "Sites": ((s.name, s.label) for s in vocabulary.SITES.values()),
        "Roles of tokens": ((r.name, r.about) for r in vocabulary.ROLES.values()),
        "Segments": ((s.name, s.about) for s in vocabulary.SEGMENTS.values()),
        "Effect sizes": ((e.name, e.label) for e in vocabulary.EFFECTS.values()),
        "Donors": ((d.name, d.about) for d in vocabulary.DONORS.values()),
        "Controls": ((c.name, c.notice) for c in vocabulary.CONTROLS.values()),
        "Confirmations": (
            (c.name, "tables " + ", ".join(c.tables)) for c in vocabulary.CONFIRMATIONS.values()
        ),
    }
    parts = ["# Names", "As they stand in tables, in the configuration and in figures."]
    for title, rows in kinds.items():
        parts += [f"## {title}", table("| name | |", ((f"`{n}`", about) for n, about in rows))]
    return "\n\n".join(parts)


def gallery() -> str:
    """Every figure with its caption; `make gallery` draws them."""
    parts = [
        "# Gallery",
        "The demo model in the demo world, direction `negate`, with every site; and a planted "
        "circuit. `make gallery` draws all of them anew. The demo model classifies no item wrongly "
        "by a margin, so that one map is empty.",
    ]
    for figure in vocabulary.FIGURES.values():
        caption = (ROOT / f"workflow/report/captions/{figure.name}.rst").read_text("utf-8")
        parts += [f"## {figure.title}", f"`{figure.name}`"]
        if (GALLERY / f"{figure.name}.png").exists():
            parts.append(f"![{figure.title}](gallery/{figure.name}.png)")
        parts.append(caption.strip())
    return "\n\n".join(parts)
