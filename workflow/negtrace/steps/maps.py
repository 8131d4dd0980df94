"""Maps: segments by threshold, effects by role with intervals and tests, what makes an item hard.

These steps touch no model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from negtrace.steps.job import Made, SweepTable, Table, TablesByPath, step

# What every sweep of a run is read with.
RUN_TABLES = ("scores", "segments")


@step("segments", "accuracy")
def segments(
    scores: Table,
    pairs: Table,
    thresholds: dict[str, float],
) -> Made:
    """Classify items by d and count them."""
    from negtrace.errors import InputError
    from negtrace.statistics.clusters import of_few
    from negtrace.statistics.groups import accuracy, segments

    classified = segments(scores, pairs, thresholds)
    if classified.empty:
        raise InputError("the model can read none of the dataset's pairs; see excluded.parquet")
    if few := of_few(classified["cluster_id"]):
        logging.warning(few)
    return Made({"segments": classified, "accuracy": accuracy(classified)})


@step("restoration_map", "donor_map", "spread", "ranks", "overlap", "split_halves")
def restoration_map(
    sweep: SweepTable,
    scores: Table,
    segments: Table,
    donor_sweep: SweepTable | None,
    statistics: dict[str, Any],
) -> Made:
    """Effect sizes of one sweep beside its donors'; their spread; how stable ranks are."""
    from negtrace.statistics.credible import with_placebo
    from negtrace.statistics.donor_map import donor_map
    from negtrace.statistics.effect_sizes import Options, effect_map
    from negtrace.statistics.spread import spread_map
    from negtrace.statistics.stability import overlap, ranks, split_halves

    options = Options(**statistics)
    made: dict[str, Callable[..., Table]] = {
        "restoration_map": effect_map,
        "ranks": ranks,
        "overlap": overlap,
        "split_halves": split_halves,
    }
    tables = {n: of(sweep, scores, segments, options=options) for n, of in made.items()}
    donors = donor_map(sweep, scores, donor_sweep, segments, options)
    found = with_placebo(tables["restoration_map"], donors, 1 - options.level)
    tables |= {"restoration_map": found, "donor_map": donors}
    return Made({**tables, "spread": spread_map(sweep, scores, segments)})


@step("study_tests")
def study_tests(tables: TablesByPath, statistics: dict[str, Any]) -> Made:
    """One correction over all maps of a model: its sweeps of every dataset and wording."""
    from negtrace.statistics.effect_sizes import Options
    from negtrace.statistics.families import study_tests
    from negtrace.study.places import run_of

    sweeps = [path for path in tables if path.stem.startswith("sweep.")]
    beside = [[path.with_name(f"{name}.parquet") for name in RUN_TABLES] for path in sweeps]
    found = study_tests(
        (
            (tables[sweep], tables[scores], tables[segments])
            for sweep, (scores, segments) in zip(sweeps, beside, strict=True)
        ),
        Options(**statistics),
    )
    runs = [run_of(sweeps[number]) for number in found.pop("sweep")]
    labels = {"dataset": [dataset for dataset, _ in runs], "wording": [name for _, name in runs]}
    return Made({"study_tests": found.assign(**labels)})


@step("selectivity_map", "attention_map", "selectivity_correlation")
def attention_maps(
    attention: Table,
    selectivity: Table,
    segments: Table,
    statistics: dict[str, Any],
) -> Made:
    """Selectivity by head, how it goes with d, and attention to the negator by query role."""
    from negtrace.analyses.features import selectivity_correlation
    from negtrace.statistics.effect_sizes import Options
    from negtrace.statistics.groups import attention_map
    from negtrace.statistics.means import selectivity_map

    return Made(
        {
            "selectivity_map": selectivity_map(selectivity, segments, Options(**statistics)),
            "attention_map": attention_map(attention, segments),
            "selectivity_correlation": selectivity_correlation(selectivity, segments),
        }
    )


@step("features", "feature_summary", "feature_correlations", "accuracy_above_area")
def features(
    segments: Table,
    candidates: Table,
    sentences: Table,
    alignment: Table,
    subject_sizes: Table | None,
) -> Made:
    """What makes an item hard: similarity of its sentences, their length, its subject's size."""
    from negtrace.analyses import features as analysis

    found = analysis.item_features(segments, candidates, sentences, alignment, subject_sizes)
    of_all = ("feature_summary", "feature_correlations", "accuracy_above_area")
    return Made({"features": found, **{name: getattr(analysis, name)(found) for name in of_all}})
