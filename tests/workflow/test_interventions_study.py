"""Interventions of a study's own, a choice of items, and mending, in a real run."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
import yaml
from checkout import Checkout
from PIL import Image

from negtrace.errors import InputError
from negtrace.models.families import load
from negtrace.models.tower_file import load_tower
from negtrace.models.weight_patch import apply_patch
from negtrace.models.weights import Weights
from negtrace.notebook import Study
from negtrace.patching.interventions import Intervention
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import pictured
from negtrace.statistics.effect_sizes import Options

ENTRIES = {
    "both": {"site": "attn_out", "window": 2},
    "sets": {"site": "head", "head_sets": [["1.1", "2.1"], ["1.2"]], "donor": "mean"},
    "ends": {"site": "resid", "positions": ["determiner", "EOT"], "layers": [1]},
    "keys": {"site": "k", "heads": ["1.1"]},
}
LEFT_OUT = 4


@pytest.fixture(scope="module")
def study(once) -> Checkout:
    def change(config: dict) -> None:
        config["study"].update(sites=["head", *ENTRIES])
        config["study"]["confirm"] = ["mending"]
        config["datasets"]["demo"]["items"] = 60
        config["interventions"] = ENTRIES
        config["mending"] = {"heads": 1, "strengths": [0.5, 3], "amounts": [-2, 2], "draws": 3}

    def run(checkout: Checkout) -> None:
        checkout.configure(change)
        checkout.run("results/demo/pairs.rephrased.parquet")
        pairs = pd.read_parquet(checkout.path("demo", "pairs.rephrased.parquet"))
        wanted = pairs["item_id"].tolist()[LEFT_OUT:]
        chosen = {"items": wanted, "where": {"edit": ["some_to_no"]}}

        def controlled(config: dict) -> None:
            change(config)
            config["filter"] = chosen
            config["study"]["controls"] = ["neutral"]

        checkout.configure(controlled)
        checkout.run("results/demo-neutral/pairs.rephrased.parquet")
        checkout.configure(lambda config: (change(config), config.update(filter=chosen)))
        checkout.run()

    return once("interventions", run)


def table(study: Checkout, name: str) -> pd.DataFrame:
    return pd.read_parquet(study.path("demo", "tiny", "rephrased", f"{name}.parquet"))


@pytest.mark.parametrize(
    ("name", "intervention"),
    [
        ("both", Intervention("attn_out", window=2)),
        ("ends", Intervention("resid", positions=("determiner", "EOT"), layers=(1,))),
        ("keys", Intervention("k", heads=((1, 1),))),
        ("sets", Intervention("head", head_sets=(((1, 1), (2, 1)), ((1, 2),)), donor="mean")),
    ],
)
def test_a_sweep_is_that_of_the_library(study, name, intervention):
    found = table(study, f"sweep.{name}.negate")
    tower = load_tower(study.path("models", "tiny"))
    images = pd.read_parquet(study.path("demo", "tiny", "images.parquet"))
    tables = [table(study, n) for n in ("alignment", "candidates", "scores")]
    items = pictured(tables[1], images)
    scale = tower.identity["logit_scale"]
    own = sweep(tower, tables[0], items, images, tables[2], intervention, "negate", scale)
    assert len(found) == len(own) > 0
    assert found["s_patched"].sub(own["s_patched"]).abs().max() < 1e-4
    assert (found["s_patched"].isna() == own["s_patched"].isna()).all()
    assert set(found["site"]) == {name}


def test_cells_that_are_patched_together_are_named_by_what_they_hold(study):
    assert set(table(study, "map.ends.negate")["role"]) == {"determiner+EOT"}
    sets = table(study, "map.sets.negate")
    assert set(sets["role"]) == {"1.1+2.1", "1.2"}
    assert set(sets.loc[sets["role"] == "1.1+2.1", "layer"]) == {1}
    assert set(table(study, "map.keys.negate")["head"]) == {1}


def test_what_brings_nothing_from_a_source_has_no_donors(study):
    assert table(study, "donor_sweep.sets.negate").empty
    ends = table(study, "donor_sweep.ends.negate")
    assert set(ends["donor"]) == {"placebo", "transfer"}
    assert set(ends["role"]) == {"determiner+EOT"}


def test_maps_are_of_the_chosen_items_alone(study):
    excluded = pd.read_parquet(study.path("demo", "excluded.rephrased.parquet"))
    by_edit = excluded["reason"].str.startswith("left out by filter.where, edit")
    assert by_edit.any()
    assert (excluded["reason"] == "not among filter.items").sum() >= LEFT_OUT
    wanted = yaml.safe_load(study.path("config.yaml").read_text())["filter"]["items"]
    pairs = pd.read_parquet(study.path("demo", "pairs.rephrased.parquet"))
    assert set(pairs["edit"]) == {"some_to_no"}
    assert set(pairs["item_id"]) < set(wanted)
    control = pd.read_parquet(study.path("demo-neutral", "pairs.rephrased.parquet"))
    assert set(control["item_id"]) <= set(pairs["item_id"])
    assert set(control["edit"]) == {"neutral"}
    known = set(table(study, "segments")["item_id"])
    assert not known & set(excluded["item_id"])
    assert table(study, "map.both.negate")["n_items"].max() == len(known)


def test_figures_and_report_call_an_intervention_what_it_is(study):
    page = study.path("report.html").read_text()
    assert "attention output of 2 blocks at once (both)" in page
    for name in ENTRIES:
        figure = study.path(
            "demo", "tiny", "rephrased", "figures", f"intervention.{name}.negate.svg"
        )
        assert "<svg" in figure.read_text()


@pytest.mark.parametrize("kind", ["heads", "direction"])
def test_a_patched_open_clip_model_gives_the_reported_numbers(study, kind):
    """Patch, model and sentences as a user would take them: open_clip's own encode_text."""
    spec = {"architecture": str(study.folder / "tiny.json"), "weights": "random", "seed": 0}
    model, tokenizer = (loaded := load(spec, Weights(None, None, None, {}))).model, loaded.tokenizer
    mended = table(study, "mended")
    images = pd.read_parquet(study.path("demo", "tiny", "images.parquet"))
    pictures = images.set_index("image_file")["embedding"]
    candidates = table(study, "candidates").set_index("item_id")
    for edit in ("none", kind):
        of = mended[mended["edit"] == edit]
        assert len(of) > 5
        patch = study.path("demo", "tiny", "rephrased", f"mending.{kind}.safetensors")
        items = candidates.loc[of["item_id"].astype(str)]
        with apply_patch(model, patch) if edit != "none" else nullcontext(), torch.no_grad():
            scores = [
                model.encode_text(tokenizer.own(items[side].tolist()), normalize=True).numpy()
                for side in ("caption", "foil")
            ]
        vectors = np.stack(list(pictures.loc[items["image_file"]]))
        scale = float(model.logit_scale.exp())
        d = scale * ((scores[0] - scores[1]) * vectors).sum(1)
        np.testing.assert_allclose(d, of["d"], atol=1e-4)
    changed = (
        mended[mended["edit"] == kind]["d"].to_numpy() != mended[mended["edit"] == "none"]["d"]
    )
    grid = table(study, "mending_grid")
    best = grid[(grid["edit"] == kind) & grid["chosen"]]["what"].item()
    assert changed.any() == (best != "")


def test_mending_is_in_tables_figure_and_report(study):
    run = study.path("demo", "tiny", "rephrased")
    weights = pd.read_csv(run / "layer_weights.csv")
    assert weights[["layer", "component"]].to_numpy().tolist() == [
        [layer, component] for layer in (1, 2) for component in ("attention", "mlp")
    ]
    shared = ["restoration", "restoration_ci_low", "restoration_ci_high"]
    np.testing.assert_allclose(weights[shared], table(study, "layer_weights")[shared])
    assert "<svg" in (run / "figures" / "mending.svg").read_text()
    page = study.path("report.html").read_text()
    assert "Scaling the found heads in every sentence" in page
    assert "Adding the negation direction in every sentence" in page


def test_a_notebook_has_the_pipeline_s_numbers(study):
    run = Study.of_run(study.path("demo", "tiny", "rephrased"))
    both = Intervention("attn_out", window=2)
    statistics = yaml.safe_load(study.path("config.yaml").read_text())["statistics"]
    found, written = run.map(both, options=Options(**statistics)), table(study, "map.both.negate")
    measured = [*(f"ratio{end}" for end in ("", "_ci_low", "_ci_high")), "mean", "n_items"]
    assert len(found) == len(written)
    np.testing.assert_allclose(found[measured], written[measured], atol=1e-4)
    np.testing.assert_allclose(found["p_fwer"], written["p_fwer"], atol=0.01)
    edges = run.edges(["2.1", "read-out"])
    assert set(edges["receiver"]) == {"2.1", "read-out"}
    assert set(edges["n_items"]) <= set(written["n_items"])
    some = run.edges(["2.1", "read-out"], roles=["EOT"])
    of_eot = edges[edges["role"] == "EOT"]
    np.testing.assert_allclose(some["ratio"], of_eot["ratio"], atol=1e-6)


def test_a_notebook_reads_items_as_the_pipeline_does(study):
    spec = {"architecture": str(study.folder / "tiny.json"), "weights": "random", "seed": 0}
    loaded = load(spec, Weights(None, None, None, {}))
    items = pd.read_parquet(study.path("demo", "items.parquet"))
    images = [Image.open(study.path("demo", "source", "images", n)) for n in items["image_file"]]
    own = Study.of_items(
        loaded.model,
        open_clip.get_tokenizer("ViT-B-32"),
        items["caption"].tolist(),
        items["foil"].tolist(),
        images,
        preprocess=loaded.preprocess,
        wording="rephrased",
    )
    candidates = table(study, "candidates")
    number = {str(n): item_id for n, item_id in enumerate(items["item_id"])}
    assert [number[n] for n in own.candidates["item_id"]] == candidates["item_id"].tolist()
    assert len(own.excluded) + len(own.candidates) == len(items)
    alignment = ["pair_id", "polarity", "position", "token_id", "role"]
    pd.testing.assert_frame_equal(
        own.alignment[alignment].astype(str), table(study, "alignment")[alignment].astype(str)
    )
    np.testing.assert_allclose(own.scores["d"], table(study, "scores")["d"], atol=1e-4)
    swept = own.sweep("head")
    written = table(study, "sweep.head.negate")
    np.testing.assert_allclose(swept["s_patched"], written["s_patched"], atol=1e-4)


def test_a_notebook_refuses_items_that_are_no_pairs(study):
    spec = {"architecture": str(study.folder / "tiny.json"), "weights": "random", "seed": 0}
    loaded = load(spec, Weights(None, None, None, {}))
    with pytest.raises(InputError, match="no item is a minimal pair; the first:"):
        Study.of_items(
            loaded.model,
            open_clip.get_tokenizer("ViT-B-32"),
            ["There are dogs."],
            ["Cats sleep all day."],
            torch.ones(24),
        )
