"""The real model's scores, as its authors have them, give every number that they published.

What follows from scores, similarities and sizes goes through the pipeline's own filter, segments,
accuracy, features and ledger.  Skipped where the authors' file is not at hand.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from shared_files import SHARED_VALSE

from negtrace.replication.ledger import NOT_COMPARABLE, REPLICATES, ledger
from negtrace.replication.ledger_summary import overall, summary
from negtrace.replication.publication import read_published
from negtrace.replication.published import PAPER, TOLERANCES

SCORES = SHARED_VALSE.parents[1] / "reference" / "authors_items.csv"
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(
    not (SCORES.exists() and SHARED_VALSE.exists()), reason="the authors' scores are not here"
)

# Figures that follow from scores, and decimals of their published values.
DIGITS = {
    "items": 0,
    "accuracy": 4,
    "mean d": 4,
    "segments": 0,
    "sentence similarity": 4,
    "similarity and d": 2,
    "subject size and d": 2,
    "accuracy by subject size": 3,
}


@pytest.fixture(scope="module")
def modules():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import authors
        import replications
        import tolerances

        yield SimpleNamespace(authors=authors, replications=replications, tolerances=tolerances)


@pytest.fixture(scope="module")
def runs(modules):
    return modules.authors.read_authors(SCORES, SHARED_VALSE)


@pytest.fixture(scope="module")
def simulated(modules):
    return modules.replications.subject(SCORES, SHARED_VALSE)


@pytest.fixture(scope="module")
def published():
    return read_published(PAPER, TOLERANCES)


@pytest.fixture(scope="module")
def found(modules, runs, published):
    return ledger(published, modules.authors.tables(runs))


def test_every_aggregate_is_as_published_to_its_last_digit(found):
    compared = found[found["verdict"] != NOT_COMPARABLE]
    assert compared.groupby("figure", sort=False).size().to_dict() == {
        "items": 7,
        "accuracy": 6,
        "mean d": 2,
        "segments": 12,
        "sentence similarity": 3,
        "similarity and d": 3,
        "subject size and d": 2,
        "accuracy by subject size": 5,
    }
    half = compared["figure"].map(DIGITS).rpow(10.0) ** -1 / 2
    assert (compared["deviation"].abs() <= half + 1e-9).all()
    counts = compared[compared["figure"].isin(["items", "segments"])]
    assert (counts["deviation"] == 0).all()
    assert (compared["published"] != 0).all()


def test_the_ledger_says_that_they_replicate_as_far_as_compared(found):
    table = summary(found)
    scored = table[table["figure"].isin(DIGITS)]
    assert set(scored["verdict"]) == {REPLICATES}
    assert (scored["n_not_comparable"] == 0).all()
    assert overall(table) == (
        "Overall: replicates as far as it is compared: 7 of 16 figures replicate; "
        "9 are not comparable."
    )


def test_items_and_segments_are_theirs(runs):
    """Sizes by negation, and the few items whose d is nearest to a threshold."""
    for run, sizes in zip(runs.values(), [(256, 249), (250, 240)], strict=True):
        assert tuple(run.pairs["negation"].value_counts()[["caption", "foil"]]) == sizes
        distance = np.abs(run.scores["d"].abs() - 1)
        assert 0 < distance.min() < 0.01  # so that counts test the thresholds


@pytest.mark.parametrize("wording", ["standard", "rephrased"])
def test_one_item_with_its_sentences_exchanged_is_seen(modules, runs, published, wording):
    """The counts hang on every item: no other item's scores give them."""
    run = runs[wording]
    sure = run.scores["d"].idxmax()
    d = run.scores["d"].mask(run.scores.index == sure, -run.scores["d"])
    changed = {**runs, wording: run._replace(scores=run.scores.assign(d=d))}
    found = ledger(published, modules.authors.tables(changed))
    rows = found[(found["wording"] == wording) & (found["figure"] == "segments")]
    assert (rows["deviation"] != 0).sum() == 2
    assert rows["deviation"].sum() == 0


def test_measures_that_were_in_doubt_are_settled(modules, runs):
    """Neither Spearman's correlations nor scores of the other wording would do."""
    features = runs["rephrased"].features
    foil = features[features["negation"] == "foil"]
    similarity = foil["caption_foil_similarity"]
    assert round(similarity.corr(foil["d"]), 2) == -0.22
    assert round(similarity.corr(foil["d"], method="spearman"), 2) == -0.23
    caption = features[features["negation"] == "caption"]
    similarity = caption["caption_foil_similarity"]
    assert round(similarity.corr(caption["d"]), 2) == 0.03
    assert round(similarity.corr(caption["d"], method="spearman"), 2) == -0.01
    standard = runs["standard"].scores.set_index("item_id")["d"]
    other = foil["item_id"].map(standard)
    assert round(foil["caption_foil_similarity"].corr(other), 2) != -0.22


def test_simulated_values_are_those_of_the_tables(modules, simulated, runs, published):
    """The quick way of the simulation and the pipeline's tables agree on noisy scores and sizes."""
    replications = modules.replications
    world = replications.World("noisy", noise=0.3)
    drawn = replications.replication(world, simulated, np.random.default_rng(0))
    noisy = {}
    for wording, run in runs.items():
        items, features = drawn[wording], run.features
        if features is not None:
            areas = {name: items.features[name] for name in replications.AREAS}
            features = features.assign(d=items.d, correct=items.d > 0, **areas)
        noisy[wording] = run._replace(scores=run.scores.assign(d=items.d), features=features)
    found = ledger(
        replace(published, blocks=tuple(simulated.blocks)), modules.authors.tables(noisy)
    )
    quick = [
        replications.value(block, cell, drawn[block.wording])
        for block in simulated.blocks
        if block.table not in ("restoration_map", "selectivity_correlation")
        for cell, _ in block.cells()
    ]
    slow = found.loc[found["verdict"] != NOT_COMPARABLE, "ours"]
    assert len(quick) == len(slow) == 6 + 2 + 12 + 3 + 2 + 5
    np.testing.assert_allclose(quick, slow, rtol=1e-9)


def test_without_noise_maps_and_head_correlations_are_the_published(modules, simulated):
    replications = modules.replications
    still = replications.World("still", noise=0, areas=0, phrases=0)
    found = replications.deviations(0, still, simulated)
    exact = [name for name in found if name.startswith(("CTE", "selectivity"))]
    assert len(exact) == 5
    assert max(found[name] for name in exact) < 1e-12
    assert found["segments"] == 0
    assert 0 < found["accuracy"] < 5e-5


def test_right_replications_seldom_deviate_and_wrong_ones_do(modules, simulated):
    tolerances, deviations = modules.tolerances, modules.replications.deviations
    right, *_, shifted = tolerances.worlds(tolerances.at_hand())
    widths = pd.Series({block.figure: block.tolerance for block in simulated.blocks})
    for world, low, high in ((right, 0, 0.15), (shifted, 0.95, 1)):
        drawn = pd.DataFrame([deviations(seed, world, simulated) for seed in range(40)])
        assert low <= tolerances.exceedance(drawn, widths)[tolerances.ANY] <= high


def test_noise_of_a_fiftieth_logit_makes_few_right_replications_deviate(modules, simulated):
    """Tolerances that cover less than the noise they name would let a third of them deviate."""
    tolerances, deviations = modules.tolerances, modules.replications.deviations
    world = modules.replications.World("another decoder", noise=0.02)
    widths = pd.Series({block.figure: block.tolerance for block in simulated.blocks})
    drawn = pd.DataFrame([deviations(1000 + seed, world, simulated) for seed in range(60)])
    assert tolerances.exceedance(drawn, widths)[tolerances.ANY] <= 0.1
    assert tolerances.exceedance(drawn, widths / 3)[tolerances.ANY] > 0.5
