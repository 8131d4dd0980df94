"""Confirmation: what components contribute directly, and what ablating the found heads does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from negtrace.models.compute import Compute
from negtrace.steps.job import Inputs, Made, Place, Table, Tables, TablesByPath, step


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
def contribution_map(contributions: Table, segments: Table, statistics: dict[str, Any]) -> Made:
    """Mean direct contribution of every component by negation and segment."""
    from negtrace.statistics.effect_sizes import Options
    from negtrace.statistics.means import contribution_map

    found = contribution_map(contributions, segments, Options(**statistics))
    return Made({"contribution_map": found})


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
    from negtrace.analyses.confirmation import curves
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
    means, tests, needed = ablate_found_heads(
        loaded, tables, heads, draws, seed, memory_gb=compute.memory_gb, progress=bar
    )
    return Made(
        {
            "ablations": means,
            "confirmation": tests,
            "curves": curves(means),
            "minimality": needed,
        },
        {"heads": heads, "device": str(loaded.device)},
        loaded.identity,
    )


@step("edges")
def edges(
    tower: Inputs,
    alignment: Table,
    placebo_alignment: Table,
    candidates: Table,
    images: Table,
    scores: Table,
    segments: Table,
    sweep: Table,
    directions: list[str],
    receivers: list[str],
    senders: list[str],
    roles: list[str],
    heads: int,
    seed: int,
    compute: Compute,
) -> Made:
    """Every edge into the named receivers, or else into the heads that restore most."""
    from negtrace.analyses.edges import chosen_receivers, study_edges
    from negtrace.patching.edges import receivers_named, senders_named
    from negtrace.progress import bar

    loaded = compute.tower(tower)
    names = receivers or chosen_receivers(sweep, scores, segments, heads, seed)
    tables = {
        "alignment": alignment,
        "placebo_alignment": placebo_alignment,
        "candidates": candidates,
        "images": images,
        "scores": scores,
    }
    found = study_edges(
        loaded,
        tables,
        receivers_named(names, loaded.shape),
        senders_named(senders, loaded.shape) if senders else None,
        directions,
        seed,
        roles,
        memory_gb=compute.memory_gb,
        progress=bar,
    )
    return Made({"edges": found}, {"into": names, "device": str(loaded.device)}, loaded.identity)


@step("edge_map")
def edge_map(
    edges: Table, scores: Table, segments: Table, least: float, statistics: dict[str, Any]
) -> Made:
    """Effect of every edge, with intervals, tests and its placebo."""
    from negtrace.statistics.edge_map import edge_map
    from negtrace.statistics.effect_sizes import Options

    return Made({"edge_map": edge_map(edges, scores, segments, least, Options(**statistics))})


@step("circuit", circuit_minimality="minimality")
def circuit(
    tower: Inputs,
    alignment: Table,
    candidates: Table,
    images: Table,
    scores: Table,
    segments: Table,
    edges: Table,
    direction: str,
    least: float,
    draws: int,
    statistics: dict[str, Any],
    compute: Compute,
) -> Made:
    """The heads of the strong edges, found on half of the pairs and tested on the other half."""
    from negtrace.analyses.circuits import measured_circuit
    from negtrace.progress import bar
    from negtrace.statistics.effect_sizes import Options

    loaded = compute.tower(tower)
    tables = {
        "alignment": alignment,
        "candidates": candidates,
        "images": images,
        "scores": scores,
        "segments": segments,
        "edges": edges,
    }
    tested, needed = measured_circuit(
        loaded,
        tables,
        direction,
        least,
        draws,
        Options(**statistics),
        memory_gb=compute.memory_gb,
        progress=bar,
    )
    made = {"circuit": tested, "circuit_minimality": needed}
    return Made(made, {"device": str(loaded.device)}, loaded.identity)


@step("attributions")
def attribution(
    tower: Inputs,
    alignment: Table,
    candidates: Table,
    images: Table,
    scores: Table,
    swept: TablesByPath,
    edges: Table | None,
    steps: int,
    compute: Compute,
) -> Made:
    """What gradients say of every cell and edge that was patched."""
    import pandas as pd

    from negtrace.analyses.attribution import attributions
    from negtrace.patching.scores import pictured
    from negtrace.progress import bar

    loaded = compute.tower(tower)
    tables = {
        "alignment": alignment,
        "candidates": pictured(candidates, images),
        "images": images,
        "scores": scores,
    }
    of_direction: dict[str, list[Table]] = {}
    for table in swept.values():
        of_direction.setdefault(str(table["direction"].iloc[0]), []).append(table)
    found = [
        attributions(loaded, tables, sweeps, edges, direction, steps, progress=bar)
        for direction, sweeps in of_direction.items()
    ]
    made = {"attributions": pd.concat(found, ignore_index=True)}
    return Made(made, {"device": str(loaded.device)}, loaded.identity)


@step("attribution_map", "attribution_trust")
def attribution_map(
    attributions: Table, scores: Table, segments: Table, top: int, statistics: dict[str, Any]
) -> Made:
    """How alike the maps by patching and by gradients are."""
    from negtrace.statistics.attribution_trust import attribution_trust
    from negtrace.statistics.effect_sizes import Options

    cells, trust = attribution_trust(attributions, scores, segments, top, Options(**statistics))
    return Made({"attribution_map": cells, "attribution_trust": trust})


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
