"""Mechanism: what heads write and why, and along which directions the negation's effect lies."""

from __future__ import annotations

from typing import Any

from negtrace.models.compute import Compute
from negtrace.steps.job import Inputs, Made, Table, step


@step("directions", "direction_accuracy", "direction_cosines")
def directions(
    tower: Inputs,
    alignment: Table,
    candidates: Table,
    images: Table,
    scores: Table,
    segments: Table,
    designs: Table | None,
    direction: str,
    draws: int,
    shrinkage: float,
    least: float,
    seed: int,
    compute: Compute,
) -> Made:
    """Directions fitted to the hidden states of one half of the pairs, patched into the other."""
    from negtrace.analyses.directions import study_directions
    from negtrace.patching.kept_runs import runs_kept
    from negtrace.progress import bar

    loaded = compute.tower(tower)
    tables = {
        "alignment": alignment,
        "candidates": candidates,
        "images": images,
        "scores": scores,
        "segments": segments,
    }
    with runs_kept(compute.memory_gb):
        patched, told, cosines = study_directions(
            loaded,
            tables,
            designs,
            direction,
            draws,
            shrinkage,
            least,
            seed,
            memory_gb=compute.memory_gb,
            progress=bar,
        )
    made = {
        "directions": patched,
        "direction_accuracy": told,
        "direction_cosines": cosines,
    }
    return Made(made, {"device": str(loaded.device)}, loaded.identity)


@step("direction_map", "direction_transfer")
def direction_map(
    directions: Table,
    direction_accuracy: Table,
    direction_cosines: Table,
    sweep: Table,
    scores: Table,
    segments: Table,
    least: float,
    statistics: dict[str, Any],
) -> Made:
    """How much of d lies along each direction, and whether one serves all templates."""
    from negtrace.statistics.direction_map import direction_map, direction_transfer
    from negtrace.statistics.effect_sizes import Options

    options = Options(**statistics)
    of_all = direction_map(directions, direction_accuracy, sweep, scores, segments, least, options)
    crossed = direction_transfer(directions, direction_cosines, scores, segments, options)
    return Made({"direction_map": of_all, "direction_transfer": crossed})


@step("head_parts", "head_writes")
def head_writes(
    tower: Inputs,
    alignment: Table,
    placebo_alignment: Table,
    candidates: Table,
    images: Table,
    scores: Table,
    segments: Table,
    direction: str,
    seed: int,
    compute: Compute,
) -> Made:
    """Heads' attention and values patched apart; what they write along negation and noun."""
    from negtrace.analyses.head_parts import head_parts
    from negtrace.analyses.head_writes import head_writes
    from negtrace.patching.kept_runs import runs_kept
    from negtrace.progress import bar

    loaded = compute.tower(tower)
    tables = {
        "alignment": alignment,
        "placebo_alignment": placebo_alignment,
        "candidates": candidates,
        "images": images,
        "scores": scores,
        "segments": segments,
    }
    with runs_kept(compute.memory_gb):
        written = head_writes(loaded, tables, seed, compute.memory_gb, bar)
        parts = head_parts(loaded, tables, direction, seed, compute.memory_gb, bar)
    made = {"head_parts": parts, "head_writes": written}
    return Made(made, {"device": str(loaded.device)}, loaded.identity)


@step("head_part_map", "head_write_map", "mechanism")
def mechanism(
    head_parts: Table,
    head_writes: Table,
    scores: Table,
    segments: Table,
    least: float,
    statistics: dict[str, Any],
) -> Made:
    """What each head's effect is owed to, and whether it constructs or suppresses."""
    from negtrace.statistics.effect_sizes import Options
    from negtrace.statistics.mechanism import part_map, verdicts, write_map

    options = Options(**statistics)
    parts = part_map(head_parts, scores, segments, least, options)
    writes = write_map(head_writes, least, options)
    made = {
        "head_part_map": parts,
        "head_write_map": writes,
        "mechanism": verdicts(parts, writes),
    }
    return Made(made)
