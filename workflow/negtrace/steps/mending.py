"""Mending: edits of the weights, chosen on one half of the pairs and tested on the other."""

from __future__ import annotations

from typing import Any

from negtrace.models.compute import Compute
from negtrace.steps.job import Inputs, Label, Made, Output, Table, step


@step("mended", "mending_grid", "mending", "layer_weights")
def mending(
    tower: Inputs,
    alignment: Table,
    candidates: Table,
    images: Table,
    scores: Table,
    segments: Table,
    sweep: Table,
    direction: str,
    heads: int,
    strengths: list[float],
    amounts: list[float],
    draws: int,
    statistics: dict[str, Any],
    dataset: Label,
    model: Label,
    wording: Label,
    heads_patch: Output,
    direction_patch: Output,
    weights_csv: Output,
    compute: Compute,
) -> Made:
    """Scale the found heads, add the negation direction; write both edits, and layers' weights."""
    from negtrace.analyses.layer_weights import layer_weights
    from negtrace.analyses.mending import mend
    from negtrace.models.tower_file import load_tower
    from negtrace.models.weight_patch import patch_bytes
    from negtrace.progress import bar
    from negtrace.statistics.effect_sizes import Options
    from negtrace.tables.store import write_bytes, write_text

    loaded = compute.tower(tower)
    tables = {
        "alignment": alignment,
        "candidates": candidates,
        "images": images,
        "scores": scores,
        "segments": segments,
        "sweep": sweep,
    }
    options = Options(**statistics)
    heads = min(heads, loaded.shape.layers * loaded.shape.heads)
    given = (heads, strengths, amounts, draws, options, compute.memory_gb)
    found = mend(loaded, tables, *given, progress=bar)
    weights = layer_weights(loaded, tables, direction, options, compute.memory_gb, progress=bar)
    stored = load_tower(tower[0].parent)
    about = {"dataset": dataset, "model": model, "wording": wording, "seed": options.seed}
    for (kind, edit), path in zip(found.edits.items(), (heads_patch, direction_patch), strict=True):
        described = {**about, "edit": kind, "what": edit.what, "strength": edit.strength}
        write_bytes(patch_bytes(stored, edit.edit, described), path)
    write_text(weights.to_csv(index=False), weights_csv)
    made = {"mended": found.items, "mending_grid": found.tried, "mending": found.table}
    return Made({**made, "layer_weights": weights}, {"device": str(loaded.device)}, loaded.identity)
