"""Confirmation: what components contribute directly, and what ablating the found heads does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from negtrace.models.compute import Compute
from negtrace.steps.job import Inputs, Made, Place, Table, Tables, step


@step("contributions")
def contributions(
    tower: Inputs, alignment: Table, candidates: Table, images: Table, compute: Compute
) -> Made:
    """Direct contribution of every component to the scores of every item."""
    from negtrace.analyses.contributions import contributions
    from negtrace.patching.scores import pictured
    from negtrace.progress import bar

    loaded = compute.tower(tower)
    found = contributions(
        loaded,
        alignment,
        pictured(candidates, images),
        images,
        logit_scale=loaded.identity["logit_scale"],
        memory_gb=compute.memory_gb,
        progress=bar,
    )
    return Made({"contributions": found}, {"device": str(loaded.device)}, loaded.identity)


@step("contribution_map")
def contribution_map(contributions: Table, segments: Table) -> Made:
    """Mean direct contribution of every component by negation and segment."""
    from negtrace.statistics.groups import contribution_map

    return Made({"contribution_map": contribution_map(contributions, segments)})


@step("ablations", "confirmation", "curves", "minimality")
def ablation(
    tower: Inputs,
    alignment: Table,
    candidates: Table,
    images: Table,
    scores: Table,
    segments: Table,
    sweep: Table,
    heads: int,
    draws: int,
    seed: int,
    compute: Compute,
) -> Made:
    """Ablate the heads that restore most on half of the pairs, and others, on the other half."""
    from negtrace.analyses.ablation import ablate_found_heads
    from negtrace.analyses.confirmation import confirmation, curves
    from negtrace.progress import bar

    loaded = compute.tower(tower)
    heads = min(heads, loaded.shape.layers * loaded.shape.heads)
    tables = {
        "alignment": alignment,
        "candidates": candidates,
        "images": images,
        "scores": scores,
        "sweep": sweep,
        "segments": segments,
    }
    means, needed = ablate_found_heads(
        loaded, tables, heads, draws, seed, memory_gb=compute.memory_gb, progress=bar
    )
    return Made(
        {
            "ablations": means,
            "confirmation": confirmation(means),
            "curves": curves(means),
            "minimality": needed,
        },
        {"heads": heads, "device": str(loaded.device)},
        loaded.identity,
    )


@step("planted")
def planted(maps: Tables, plant: dict[str, Any], settings: dict[str, Any], stem: Place) -> Made:
    """Which cells of a constructed model's maps should have effects, and which do."""
    from negtrace.analyses.planted import expected, found, plant_of
    from negtrace.figures.planted import planted_figure
    from negtrace.figures.shown import available_segment
    from negtrace.figures.style import save

    values = dict(plant)
    active = values.pop("active", True)
    circuit = plant_of(values)
    by_site = {str(table["site"].iloc[0]): table for table in maps}
    cells = expected(circuit)
    if not active:
        cells["restoration"] = 0.0
    # Over all items the circuit's effects cancel (see `found`).
    settings = {**settings, "segment": "correct"}
    segment = available_segment(by_site["head"], settings["segment"])
    table = found(cells, by_site.values(), segment, settings["alpha"])
    drawn = planted_figure(circuit, by_site["resid"], by_site["head"], settings)
    save(drawn, Path(stem), settings["formats"], settings["dpi"])
    return Made({"planted": table})
