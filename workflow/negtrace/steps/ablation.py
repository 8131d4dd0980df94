"""Ablate the heads that restore most on one half of the pairs, and others, on the other half."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch

from negtrace.ablation import ablated_scores
from negtrace.confirmation import RANKINGS, confirmation, curves, set_means
from negtrace.head_sets import plan_sets, rank_heads, split_pairs
from negtrace.progress import bar
from negtrace.runs import pictured
from negtrace.steps.command import run
from negtrace.store import LABELS, labelled, provenance, read_table, write_table
from negtrace.tower import available_device, full_precision, load_tower

TABLES = ("alignment", "candidates", "images", "scores", "sweep", "segments")


def step(options: Namespace) -> None:
    torch.set_num_threads(options.threads)
    full_precision()
    tower = load_tower(options.tower, options.dtype, available_device(options.device))
    tables = {
        name: read_table(getattr(options, name)).drop(columns=list(LABELS), errors="ignore")
        for name in TABLES
    }
    items = tables["segments"]
    selection, evaluation = split_pairs(items["pair_id"], options.seed)
    chosen = items[items["pair_id"].astype(str).isin(selection)]
    # Where d is near 0 restoration is unstable; a model without correct items has nothing better.
    correct = chosen[chosen["segment"] == "correct"]
    ranked_on = correct if len(correct) else chosen
    rankings = {by: rank_heads(tables["sweep"], ranked_on, by) for by in RANKINGS}
    heads = min(options.heads, tower.shape.layers * tower.shape.heads)
    plan = plan_sets(rankings, heads, tower.shape, options.draws, options.seed)
    candidates = pictured(tables["candidates"], tables["images"])
    evaluated = candidates[
        candidates["item_id"].isin(items["item_id"]) & candidates["pair_id"].isin(evaluation)
    ].reset_index(drop=True)
    alignment = tables["alignment"]
    ablated = ablated_scores(
        tower,
        alignment[alignment["pair_id"].astype(str).isin(evaluation)],
        evaluated,
        tables["images"],
        tables["scores"],
        [one.ablated for one in plan],
        tower.identity["logit_scale"],
        memory_gb=options.memory_mb / 1024,
        progress=bar,
    )
    made = provenance(
        "ablation",
        inputs={name: getattr(options, name) for name in TABLES},
        params={"heads": heads, "draws": options.draws, "device": str(tower.device)},
        model=tower.identity,
        seed=options.seed,
    )
    means, labels = set_means(ablated, plan), vars(options)
    write_table(labelled(means, labels), options.ablations, "ablations", made)
    confirmed = labelled(confirmation(means), labels)
    write_table(confirmed, options.confirmation, "confirmation", made)
    write_table(labelled(curves(means), labels), options.curves, "curves", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "dataset": str,
            "model": str,
            "wording": str,
            "tower": Path,
            **dict.fromkeys(TABLES, Path),
            "heads": int,
            "draws": int,
            "seed": int,
            "dtype": str,
            "device": str,
            "memory_mb": int,
            "threads": int,
            "ablations": Path,
            "confirmation": Path,
            "curves": Path,
        },
    )
