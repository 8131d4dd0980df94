"""The report: one HTML file with figures and data inside, readable without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from negtrace.figures.contrast_words import NEGATION
from negtrace.report import comparison
from negtrace.report.atlas import Atlas
from negtrace.report.blocks import columns, packed
from negtrace.report.of_model import Choices, Comparison
from negtrace.report.section import Section
from negtrace.report.verdict import verdict
from negtrace.study.interventions import site_of
from negtrace.vocabulary import EFFECTS, LABELS, NEGATIONS, ROLES, SEGMENTS, SITES, Site

TEMPLATES = Path(__file__).parents[2] / "report"
TABLES_FILE = Path(__file__).parents[2] / "schemas" / "tables.json"

# Folder beside the page, and the length in characters from which on its large blocks lie there.
BESIDE = "report_data"
LARGEST_PAGE = 9_000_000

DEFINITIONS = {
    "Pair": "The two sentences of an item, the source and the base; of a negation the negated and "
    "the affirmative one. Several items (images) can share a pair.",
    "S(s, i)": "Score of sentence s for image i: the logit scale times the cosine of their "
    "embeddings.",
    "d": "S(caption) − S(foil). An item is classified correctly if d is above 0; its segment "
    "depends on how far d is from 0.",
    "Restoration": "(S patched − S base) / (S source − S base): 0 if the patch changes nothing, 1 "
    "if it brings the whole effect of the source sentence.",
    "Ratio of means": "Restoration of a cell over items: the mean change by the patch over the "
    "mean effect of the source sentence. What sentences and tests are about.",
    "Mean of ratios": "The mean of each item's own restoration, the paper's CTE. Items whose "
    "effect is near 0 can dominate it.",
    "Direction": "negate: activations of the source (the negated sentence) are patched into the "
    "base (the affirmative one). affirm: the reverse.",
    "Hidden state": "The residual stream: 0 is the embedding, l the output of block l. Blocks and "
    "heads are counted from 1.",
    "Placebo, transfer": "What a cell is patched from besides: a source without negation, or "
    "another pair's source sentence.",
    "Depth": "Where along the hidden states, joined by straight lines, restoration crosses 1/2 for "
    "good, as a fraction of all blocks: falling at the word that differs, rising at EOT.",
    "Effective heads": "(Σ|x|)² / Σx² over all heads, x the mean change by a head: 1 if one head "
    "does all, the number of heads if all do the same. Noise raises it.",
    "Identity": "2Σxy / (Σx² + Σy²) of two heads' profiles: restoration, and attention to the "
    "negator from each token minus that to its counterpart. 1 only if they are equal.",
    "Selectivity": "Mean over items of the largest difference, over tokens after the negator, "
    "between a head's attention to the negator (in another contrast, to the words that differ) and "
    "to the same place in the other sentence.",
}


# What the page's script says of a section, as of a negation.
WORDS = {
    "negation": "negation",
    "negationIn": "negation in",
    "negated": "negated",
    "affirmative": "affirmative",
    "negator": "the negator",
}


@dataclass(frozen=True)
class Page:
    """The document, the files that lie beside it by name, and its comparison table as CSV."""

    html: str
    beside: Mapping[str, str]
    comparison: str


def render(
    title: str,
    sections: Sequence[Section],
    config: str,
    comparisons: Sequence[Comparison] = (),
    choices: Sequence[Choices] = (),
    parents: Sequence[int | None] = (),
    pictures: Mapping[str, str] | None = None,
    run: Mapping[str, Any] | None = None,
    atlas: Atlas | None = None,
) -> Page:
    """The report as one HTML document; all text from outside is escaped.

    Args:
        title: the study's title.
        sections: one for each dataset, model and wording.
        config: the configuration as YAML, as it would be given again.
        comparisons, choices: one for each dataset and model.
        parents: for each section the number of the one that it is a control of.
        pictures: blocks of datasets' pictures by name.
        run: facts of the run by name.
        atlas: the models beside one another, where there are several.
    """
    parents = parents or [None] * len(sections)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    large = {name: text for section in sections for name, text in section.blocks.items()}
    large |= pictures or {}
    beside = {}
    if sum(map(len, large.values())) > LARGEST_PAGE:
        beside = {f"{BESIDE}/{name}.js": _script(name, text) for name, text in large.items()}
    leading = next(number for number, parent in enumerate(parents) if parent is None)
    controls = [one for one, parent in zip(sections, parents, strict=True) if parent == leading]
    rows = _rows(sections, parents)
    table = pd.DataFrame(
        {
            **{name: getattr(sections[number], name) for name in LABELS},
            "control": is_control,
            **numbers,
        }
        for number, is_control, numbers in rows
    )
    html = environment.get_template("template.html.j2").render(
        title=title,
        subject=_subject(sections),
        sections=sections,
        rows=rows,
        lead=sections[leading],
        leading=leading,
        verdict=verdict(sections[leading], controls),
        maps=[comparison.small_maps(section) for section in sections],
        config=config,
        comparisons=comparisons,
        choices=choices,
        definitions=DEFINITIONS,
        effects=EFFECTS,
        sites=_sites(sections),
        run=run or {},
        atlas=atlas,
        study=packed(
            _study(title, sections, parents)
            | {
                "atlas": atlas.data() if atlas else None,
                "tables": {
                    "compared": columns(table),
                    **{one.anchor: columns(one.summary) for one in comparisons},
                    **{one.anchor: columns(one.curve) for one in choices},
                    **({"models": columns(atlas.rows)} if atlas else {}),
                    **{f"{one.anchor}-accuracy": columns(one.accuracy) for one in sections},
                    **_small_tables(sections[leading]),
                },
            }
        ),
        blocks={name: f"{BESIDE}/{name}.js" if beside else None for name in large},
        large=large,
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        script=(TEMPLATES / "report.js").read_text(encoding="utf-8"),
    )
    return Page(html, beside, table.to_csv(index=False))


def _small_tables(section: Section) -> dict[str, dict[str, list[Any]]]:
    """The maps of the verdict as tables, by name: a row per cell."""
    return {
        f"verdict-{sweep}": columns(
            pd.DataFrame(
                {"layer": layer, small["by"]: row, "ratio": value, "sure": sure}
                for row, values, marks in zip(
                    small["rows"], small["values"], small["sure"], strict=True
                )
                for layer, value, sure in zip(small["layers"], values, marks, strict=True)
            )
        )
        for sweep, small in comparison.small_maps(section).items()
    }


def _script(name: str, text: str) -> str:
    """A block as a script, which a page from file:// may load though it may not fetch."""
    return f"(window.negtraceBlocks??={{}})[{json.dumps(name)}]={json.dumps(text)};\n"


def _rows(
    sections: Sequence[Section], parents: Sequence[int | None]
) -> list[tuple[int, bool, dict[str, Any]]]:
    """(number, whether it is a control, what its row says), controls behind what they are of."""
    order = sorted(
        range(len(sections)),
        key=lambda n: (n if parents[n] is None else parents[n], parents[n] is not None, n),
    )
    return [(n, parents[n] is not None, comparison.row(sections[n])) for n in order]


def _study(
    title: str, sections: Sequence[Section], parents: Sequence[int | None]
) -> dict[str, Any]:
    """What the page's script knows before it opens any other block."""
    declared = json.loads(TABLES_FILE.read_text(encoding="utf-8"))["tables"]
    about = {
        name: column["about"]
        for table in ("ranks", "spread", "donor_map", "restoration_map")
        for name, column in declared[table]["columns"].items()
    }
    changes = [
        table["difference"].abs().max()
        for section in sections
        for table in section.maps.values()
        if "difference" in table and len(table)
    ]
    return {
        "title": title,
        "alpha": sections[0].alpha,
        "largest": float(max(changes, default=1.0)) or 1.0,
        "sections": [
            {
                "id": section.anchor,
                "dataset": section.dataset,
                "model": section.model,
                "wording": section.wording,
                "heading": section.heading,
                "headline": section.headline,
                "folder": f"results/{section.dataset}/{section.model}/{section.wording}",
                "parent": parent,
                "sweeps": list(section.maps),
                "small": comparison.small_maps(section),
                "words": {name: section.said(text) for name, text in WORDS.items()},
                "attention": f"{section.anchor}-attention" in section.blocks,
                "circuit": section.circuit is not None and len(section.circuit[0]) > 0,
                "figures": len(section.plain_pictures),
                "pictures": section.pictures_of,
            }
            for section, parent in zip(sections, parents, strict=True)
        ],
        "sites": {
            name: {"label": site.label, "states": site.states}
            for name, site in _sites(sections).items()
        },
        "effects": [list(effect) for effect in EFFECTS.values()],
        "roles": list(ROLES),
        "segments": list(SEGMENTS),
        "negations": list(NEGATIONS),
        "about": about,
    }


def _sites(sections: Sequence[Section]) -> dict[str, Site]:
    """All sites, and the study's own interventions."""
    own = sections[0].interventions
    return SITES | {name: site_of(name, own) for name in own}


def _subject(sections: Sequence[Section]) -> str:
    """What the study is about."""
    negations = [section.contrast == NEGATION for section in sections]
    return "negation" if all(negations) else "what two sentences differ in"
