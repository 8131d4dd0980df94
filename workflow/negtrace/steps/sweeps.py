"""Sweeps: restoration of every cell of a site, and attention to the negator."""

from __future__ import annotations

from functools import partial
from typing import Any

from negtrace.models.compute import Compute
from negtrace.steps.job import Inputs, Made, SweepEntry, SweepName, Table, Tables, step

# Of a lower precision, among a sweep's params.
DEVIATION = "deviation_from_float32"


@step("sweep")
def sweep(
    cells: SweepName,
    interventions: SweepEntry,
    tower: Inputs,
    alignment: Table,
    candidates: Table,
    images: Table,
    scores: Table,
    shard: int,
    shards: int,
    float32_pairs: int,
    compute: Compute,
) -> Made:
    """Restoration of every cell of one site in one direction, for every item.

    A job makes one such table after the other.  A lower precision than float32 is compared with it
    on so many pairs, 0 for all.
    """
    from negtrace.models.tower_file import load_tower
    from negtrace.patching.intervention_checks import check_roles
    from negtrace.patching.interventions import named
    from negtrace.patching.precision import deviation, sample_pairs
    from negtrace.patching.restoration import sweep
    from negtrace.patching.score_grid import under_name
    from negtrace.patching.scores import pictured
    from negtrace.patching.shards import take_shard
    from negtrace.progress import bar

    site, direction = cells
    intervention = named(site, interventions)
    check_roles(alignment, intervention.at, direction)
    loaded = compute.tower(tower)
    items = pictured(candidates, images)
    alignment, items = take_shard(alignment, items, shard, shards)
    run_sweep = partial(
        sweep,
        scores=scores,
        images=images,
        intervention=intervention,
        direction=direction,
        logit_scale=loaded.identity["logit_scale"],
        memory_gb=compute.memory_gb,
    )
    frame = run_sweep(loaded, alignment, items, progress=bar)
    params: dict[str, Any] = {"site": site, "direction": direction, "device": str(loaded.device)}
    if loaded.dtype.itemsize < 4:
        exact = load_tower(tower[0].parent, "float32", str(loaded.device))
        compared = sample_pairs(items, float32_pairs or len(items))
        again = run_sweep(exact, alignment, compared)
        params[DEVIATION] = deviation(frame, again)
    return Made({"sweep": under_name(frame, site, intervention)}, params, loaded.identity)


@step("sweep")
def gather(scores: Table, parts: Tables, files: Inputs) -> Made:
    """The shards of a sweep put together, items in the order of the scores."""
    from negtrace.patching.precision import whole_deviation
    from negtrace.patching.shards import gather
    from negtrace.tables.store import read_provenance

    made = [read_provenance(file) for file in files]
    params = {**made[0]["params"], "shards": len(parts)}
    if DEVIATION in params:
        params[DEVIATION] = whole_deviation([shard["params"][DEVIATION] for shard in made])
    return Made({"sweep": gather(parts, scores[["item_id"]])}, params, made[0]["model"])


@step("donor_sweep")
def donor_sweep(
    cells: SweepName,
    interventions: SweepEntry,
    tower: Inputs,
    alignment: Table,
    placebo_alignment: Table,
    candidates: Table,
    images: Table,
    scores: Table,
    donors: list[str],
    seed: int,
    shard: int,
    shards: int,
    compute: Compute,
) -> Made:
    """Every cell of one site in one direction patched from the study's donors, for every item."""
    from negtrace.patching.donor_sweeps import COLUMNS, donations, donor_sweep
    from negtrace.patching.interventions import named
    from negtrace.patching.score_grid import under_name
    from negtrace.patching.scores import pictured
    from negtrace.patching.shards import take_shard
    from negtrace.progress import bar

    site, direction = cells
    loaded = compute.tower(tower)
    items = pictured(candidates, images)
    tables = (alignment, placebo_alignment, candidates)
    intervention = named(site, interventions)
    given = donations(donors, intervention, direction, *tables, seed)
    _, items = take_shard(alignment, items, shard, shards)
    frame = donor_sweep(
        loaded,
        given,
        items,
        images,
        scores,
        intervention,
        direction,
        seed,
        loaded.identity["logit_scale"],
        compute.memory_gb,
        progress=bar,
    )
    params = {"site": site, "direction": direction, "device": str(loaded.device)}
    made = under_name(frame, site, intervention)[COLUMNS]
    return Made({"donor_sweep": made}, params, loaded.identity)


@step("donor_sweep")
def gather_donors(scores: Table, donor_parts: Tables, files: Inputs) -> Made:
    """The shards of a donors' sweep put together, items in the order of the scores."""
    import pandas as pd

    from negtrace.patching.shards import in_order
    from negtrace.tables.store import read_provenance

    made = read_provenance(files[0])
    whole = in_order(pd.concat(donor_parts, ignore_index=True), scores)
    return Made({"donor_sweep": whole}, {**made["params"], "shards": len(files)}, made["model"])


@step("attention", "selectivity", "attention_patterns")
def attention(tower: Inputs, alignment: Table, scores: Table, compute: Compute) -> Made:
    """Attention to the negator, selectivity of heads for it, and whole patterns of a few pairs."""
    from negtrace.analyses.attention import negator_attention, selectivity
    from negtrace.analyses.attention_patterns import attention_patterns, example_pairs

    loaded = compute.tower(tower)
    found = negator_attention(loaded, alignment, compute.memory_gb)
    made = {
        "attention": found,
        "selectivity": selectivity(found),
        "attention_patterns": attention_patterns(loaded, alignment, example_pairs(scores)),
    }
    return Made(made, {"device": str(loaded.device)}, loaded.identity)
