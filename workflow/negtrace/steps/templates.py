"""Templates: items in the sentences of every template, and whether all find the same circuit."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from negtrace.steps.job import Entry, Made, Place, SweepTable, Table, step


@step("image_files", "designs", item_table="items")
def template_items(of_candidates: Table, of_image_files: Table, entry: Entry) -> Made:
    """Put the subjects of a dataset's items into the sentences of every template."""
    from negtrace.data.template_items import template_items
    from negtrace.messages import listed

    there = of_image_files.loc[of_image_files["reason"].isna(), "image_file"]
    items, designs = template_items(
        of_candidates[of_candidates["image_file"].isin(there)],
        entry["items"],
        entry["seed"],
        entry.get("templates"),
        entry.get("negators"),
        entry.get("pairs", "negation"),
    )
    without = designs.loc[items["control"].isna(), "template"].unique()
    if len(without):
        logging.warning(
            "no control sentence in %s: the placebo of these is noise as large as the change",
            listed(without),
        )
    images = of_image_files[of_image_files["image_file"].isin(items["image_file"])]
    made = {"item_table": items, "designs": designs, "image_files": images}
    return Made(made, {key: value for key, value in entry.items() if key != "of"})


@step("confounds")
def confounds(candidates: Table, alignment: Table, designs: Table) -> Made:
    """What of each sentence a map may depend on beside its negation."""
    from negtrace.analyses.confounds import confounds

    return Made({"confounds": confounds(candidates, alignment, designs)})


@step(
    "template_map",
    "template_consensus",
    "template_variance",
    "template_agreement",
    "template_slopes",
)
def template_maps(
    sweep: SweepTable,
    scores: Table,
    segments: Table,
    designs: Table,
    confounds: Table,
    statistics: dict[str, Any],
    k: int,
) -> Made:
    """Restoration by template and negator, and what holds in most of them."""
    from negtrace.analyses.confounds import dependence
    from negtrace.analyses.templates import designed_values, template_tables
    from negtrace.statistics.effect_sizes import Options

    options = Options(**statistics)
    values = designed_values(sweep, scores, segments, designs)
    made = template_tables(values, options, k or None)._asdict()
    slopes = dependence(values, confounds, options)
    return Made({**made, "template_slopes": slopes})


@step()
def template_figure(
    template_map: Table, template_consensus: Table, settings: dict[str, Any], stem: Place
) -> None:
    """Draw restoration by template and head, the consensus marked."""
    from negtrace.figures.style import save
    from negtrace.figures.templates import template_figure

    drawn = template_figure(template_map, template_consensus, settings)
    save(drawn, Path(stem), settings["formats"], settings["dpi"])
