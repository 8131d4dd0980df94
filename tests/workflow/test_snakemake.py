"""Real Snakemake runs of a small study: what runs, what is left alone, what is refused.

One finished run is shared (`conftest.py`); every test gets a copy of it, times included.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from checkout import SAMPLE, Checkout
from page_blocks import unpacked

from negtrace.models.tower_file import load_tower
from negtrace.patching.scores import scores as unpatched_scores
from negtrace.patching.scores import sentence_embeddings
from negtrace.statistics.credible import credible, pooled
from negtrace.tables.store import read_provenance

# Rules that must not run again unless something before them changed.
INPUTS = {"scenes", "items", "candidates", "subject_areas", "weights", "tower"}
FORWARD = INPUTS | {"alignment", "images", "runs"}
SWEEPS = {"sweep", "donor_sweep", "attention"}
STATISTICS = {"restoration_map", "study_tests", "specification"}
ANALYSIS = STATISTICS | {"attention_maps", "features", "ledger"}
OUTPUT = {"merged_config", "figures", "report", "all"}


def test_the_first_run_makes_report_tables_figures_and_benchmarks(finished):
    report = finished.path("report.html").read_text()
    assert "A small study" in report
    blocks = dict(re.findall(r'id="block-([^"]+)">([^<]*)<', report))
    assert len(unpacked(blocks["demo-tiny-rephrased-figures"])) == 9
    assert len(unpacked(blocks["demo-pictures"])) == 24
    assert set(unpacked(blocks["demo-tiny-rephrased-maps"])) == {"resid.negate", "head.negate"}
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", report)
    run = finished.path("demo", "tiny", "rephrased")
    for table in ("sweep.resid.negate", "sweep.head.negate", "map.resid.negate", "accuracy"):
        assert pq.read_metadata(run / f"{table}.parquet").num_rows > 0
    assert {path.suffix for path in (run / "figures").iterdir()} == {".svg", ".png"}
    config = yaml.safe_load(finished.path("config.yaml").read_text())
    assert config["study"]["title"] == "A small study"
    assert config["filter"]["min_votes"] == 2
    computing = FORWARD | SWEEPS | ANALYSIS | {"pairs", "segments", "figures", "report"}
    measured = {path.name.split(".")[0] for path in finished.path("benchmarks").iterdir()}
    assert measured == computing


def test_results_name_no_place_on_the_machine(finished):
    for path in [*finished.tables().values(), finished.path("report.html")]:
        assert str(finished.folder).encode() not in path.read_bytes(), path


def test_a_second_run_does_nothing(study):
    started = time.monotonic()
    assert "Nothing to be done" in study.run()
    assert time.monotonic() - started < 20


def test_room_for_jobs_reruns_none_of_them(study):
    room = {"threads": 2, "memory_gb": 1, "device": "cpu", "image_batch": 7}
    study.configure(lambda config: config["compute"].update(room))
    assert set(study.jobs("-n")) == {"merged_config", "report", "all"}


def test_a_model_may_have_threads_of_its_own(study):
    study.configure(lambda config: config["models"]["tiny"].update(threads=3))
    assert set(study.jobs("-n")) == {"merged_config", "report", "all"}
    commands = study.run("-n", "-p", "--cores", "4", "--forcerun", "sweep")
    assert re.search(r"steps sweep .*--threads=3", commands)


def test_touched_files_rerun_nothing(study):
    for path in (study.folder / "tiny.json", study.path("demo", "source", "existence.json")):
        path.touch()
    assert "Nothing to be done" in study.run("-n")


def test_a_deleted_or_damaged_table_is_made_again(study):
    damaged = study.path("demo", "tiny", "rephrased", "sweep.head.negate.parquet")
    damaged.write_bytes(damaged.read_bytes()[:100])
    study.configure(lambda config: config.update(segments={"correct_from": 0.5}))
    printed = study.run("--until", "restoration_map", fails=True)
    assert re.search(rf"error: \S*{damaged.name}: .*delete it and run again", printed)
    damaged.unlink()
    assert study.jobs("-n").keys() >= {"sweep", "restoration_map", "report"}


def test_a_figure_setting_redraws_figures_only(study):
    before = study.times("**/*.parquet")
    study.configure(lambda config: config["figures"].update(annotate=False, formats=["svg"]))
    assert set(study.jobs()) == OUTPUT | {"ledger", "specification"}
    after = study.times("**/*.parquet")
    drawn = ("ledger", "specification")  # tables that are written with their figure
    kept = [path for path in before if not path.name.startswith(drawn)]
    assert {path: after[path] for path in kept} == {path: before[path] for path in kept}


def test_a_segment_threshold_reruns_the_analysis_only(study):
    before = study.times("demo/tiny/rephrased/sweep.*")
    assert len(before) == 2
    study.configure(lambda config: config.update(segments={"correct_from": 0.001}))
    assert set(study.jobs()) == {"segments"} | ANALYSIS | OUTPUT
    assert study.times("demo/tiny/rephrased/sweep.*") == before
    segments = pq.read_table(study.path("demo", "tiny", "rephrased", "segments.parquet"))
    assert "correct" in segments["segment"].to_pylist()


def test_confirmations_run_what_they_need_and_nothing_else(study):
    before = study.times("**/sweep.*")
    study.configure(lambda config: config["study"].update(confirm=["contributions", "ablation"]))
    assert set(study.jobs()) == {"contributions", "contribution_map", "ablation"} | OUTPUT
    assert study.times("**/sweep.*") == before
    run = study.path("demo", "tiny", "rephrased")
    contributions = pd.read_parquet(run / "contributions.parquet")
    scores = pd.read_parquet(run / "scores.parquet").set_index("item_id")
    total = contributions.groupby("item_id", observed=True)["d"].sum()
    assert total.to_numpy() == pytest.approx(scores.loc[total.index, "d"].to_numpy(), abs=1e-4)
    assert scores["d"].abs().max() > 0.01
    confirmation = pd.read_parquet(run / "confirmation.parquet")
    assert set(confirmation["null"]) == {"random", "layer_matched"}
    assert confirmation["p"].between(0, 1).all()
    report = study.path("report.html").read_text()
    assert "Ablated together" in report
    assert "Direct and total effect of each head" in report
    study.configure(lambda config: config["study"].update(confirm=["ablation"], sites=["resid"]))
    assert "study.confirm is ['ablation'], which needs the site head" in study.run("-n", fails=True)


def test_controls_run_beside_the_study_and_leave_it_alone(study):
    before = study.times("demo/tiny/**/sweep.*")
    study.configure(lambda config: config["study"].update(controls=["neutral", "shuffled"]))
    jobs = study.jobs()
    assert jobs["control"] == jobs["control_inputs"] == 2
    assert "scenes" not in jobs
    assert study.times("demo/tiny/**/sweep.*") == before

    def scores(dataset: str) -> pd.DataFrame:
        return pd.read_parquet(study.path(dataset, "tiny", "rephrased", "scores.parquet"))

    real, neutral, shuffled = map(scores, ("demo", "demo-neutral", "demo-shuffled"))
    both = real.merge(neutral, on="item_id")
    assert both["s_affirmative_x"].to_numpy() == pytest.approx(both["s_affirmative_y"], abs=1e-4)
    assert (both["s_negated_x"] - both["s_negated_y"]).abs().max() > 1e-3
    assert set(shuffled["item_id"]) == set(real["item_id"])
    assert (shuffled["s_negated"].to_numpy() != real["s_negated"].to_numpy()).any()
    # What carries no negation has no neutral swap either: its placebo is noise.
    of_neutral = pd.read_parquet(
        study.path("demo-neutral", "tiny", "rephrased", "donor_sweep.head.negate.parquet")
    )
    assert set(of_neutral["source"]) == {"random direction", "another pair"}
    assert "A negative control" in study.path("report.html").read_text()


def test_statistics_recompute_maps_and_no_sweep(study):
    study.configure(lambda config: config.update(statistics={"method": "bca", "replicates": 100}))
    assert set(study.jobs("-n")) == STATISTICS | {"ledger", "attention_maps"} | OUTPUT


def test_the_annotator_filter_reruns_the_analysis_only(study):
    study.configure(lambda config: config.update(filter={"min_votes": 3}))
    assert set(study.jobs("-n")) == {"pairs", "segments"} | ANALYSIS | OUTPUT


def test_an_added_model_runs_only_that_model(study):
    before = study.times("demo/tiny/rephrased/*.parquet")

    def change(config: dict) -> None:
        config["study"].update(models=["tiny", "other"])
        config["models"]["other"]["base"] = "tiny"

    study.configure(change)
    jobs = study.jobs()
    assert set(jobs) == {
        "weights",
        "tower",
        "alignment",
        "images",
        "runs",
        "segments",
    } | SWEEPS | ANALYSIS | OUTPUT | {"atlas", "head_matches", "base_difference"}
    # With a second model the first one too has a row to stand in.
    assert (jobs["atlas"], jobs["head_matches"], jobs["base_difference"]) == (2, 1, 1)
    assert jobs["runs"] == jobs["figures"] == jobs["study_tests"] == 1
    # The two differ in their seed alone: each is a specification of the other.
    assert jobs["specification"] == 2
    curve = pd.read_parquet(study.path("demo", "tiny", "specification.parquet"))
    assert set(curve["seed"]) <= {0, 1}
    after = study.times("demo/tiny/rephrased/*.parquet")
    assert after.pop(study.path("demo", "tiny", "rephrased", "atlas.parquet"))
    assert after == before
    beside = pd.read_parquet(study.path("demo", "other", "rephrased", "base_difference.parquet"))
    own = pd.read_parquet(study.path("demo", "tiny", "rephrased", "map.head.negate.parquet"))
    own = own[(own["segment"] == "all") & (own["negation"] == "all")]
    found = beside.loc[beside["site"] == "head", "ratio_base"]  # the first model's, not its own
    assert found.to_numpy() == pytest.approx(own["ratio"].to_numpy())
    assert 'id="models"' in study.path("report.html").read_text()
    report = study.path("report.html").read_text()
    assert "tiny on demo" in report
    assert "other on demo" in report


def test_an_added_direction_runs_only_its_sweeps(study):
    run = study.path("demo", "tiny", "rephrased")
    there = [run / f"{kind}.head.negate.parquet" for kind in ("sweep", "donor_sweep")]
    before = [path.read_bytes() for path in there]
    kept = {path.stat().st_ino for path in (run / ".kept").iterdir()}
    study.configure(lambda config: config["study"].update(directions=["negate", "affirm"]))
    jobs = study.jobs("--until", "sweep", "donor_sweep")
    assert jobs == {"sweep": 1, "donor_sweep": 1}
    assert [path.read_bytes() for path in there] == before
    assert {path.stat().st_ino for path in there} <= kept
    for kind in ("sweep", "donor_sweep"):
        said = study.path("logs", f"{kind}.demo.tiny.rephrased.log").read_text()
        assert said.count("computed before, from the same") == 2
        assert f"{kind}.head.affirm.parquet: " in said
    assert set(study.jobs("-n")) == STATISTICS | {"ledger"} | OUTPUT


def test_shards_give_the_same_sweep(study, finished):
    study.configure(lambda config: config["compute"].update(shards=3))
    jobs = study.jobs()
    assert (jobs["sweep"], jobs["gather"]) == (6, 2)
    assert (jobs["donor_sweep"], jobs["gather_donors"]) == (6, 2)
    assert not {"runs", "images", "attention"} & set(jobs)
    run = ("demo", "tiny", "rephrased")
    assert not list(study.path(*run).glob("*of3.parquet"))
    for site in ("resid", "head"):
        name = f"sweep.{site}.negate.parquet"
        whole, parts = (pd.read_parquet(of.path(*run, name)) for of in (finished, study))
        pd.testing.assert_frame_equal(whole, parts, check_exact=False, atol=1e-4, rtol=1e-3)
        assert whole["restoration"].abs().max() > 0.1
        name = f"donor_sweep.{site}.negate.parquet"
        whole, parts = (pd.read_parquet(of.path(*run, name)) for of in (finished, study))
        pd.testing.assert_frame_equal(whole, parts, check_exact=False, atol=1e-4, rtol=1e-3)


def test_donors_patch_the_same_cells_from_elsewhere(finished):
    run = finished.path("demo", "tiny", "rephrased")
    placebos = pd.read_parquet(run / "placebo_alignment.parquet")
    tower = load_tower(finished.path("models", "tiny"))
    scores = pd.read_parquet(run / "scores.parquet")
    items = pd.read_parquet(run / "candidates.parquet")
    swapped = unpatched_scores(
        items[items["pair_id"].isin(set(placebos["pair_id"]))].reset_index(drop=True),
        sentence_embeddings(tower, placebos),
        pd.read_parquet(finished.path("demo", "tiny", "images.parquet")),
        tower.identity["logit_scale"],
    ).set_index("item_id")
    assert len(swapped) > 10
    real = scores.set_index("item_id").loc[swapped.index]
    assert swapped["s_affirmative"].to_numpy() == pytest.approx(real["s_affirmative"], abs=1e-4)
    assert (swapped["s_negated"] - real["s_negated"]).abs().max() > 1e-3

    table = pd.read_parquet(run / "donor_map.resid.negate.parquet")
    transfer = table[(table["donor"] == "transfer") & (table["segment"] == "all")]
    first = transfer[(transfer["layer"] == 0) & (transfer["role"] == "determiner")]
    assert first["negation"].tolist() == ["caption", "foil", "all"]
    assert first["difference_donor"].to_numpy() == pytest.approx(first["difference"], abs=1e-4)
    assert first["difference"].abs().max() > 0.01
    assert first["share"].dropna().to_numpy() == pytest.approx(1, abs=1e-2)
    others = transfer[(transfer["layer"] == 2) & (transfer["role"] == "EOT")]
    assert (others["difference_donor"] - others["difference"]).abs().max() > 0.001


def test_a_model_of_random_weights_has_nothing_to_name(finished):
    run = finished.path("demo", "tiny", "rephrased")
    for site in ("resid", "head"):
        table = pd.read_parquet(run / f"map.{site}.negate.parquet")
        assert not credible(pooled(table), 0.05).any()
    report = finished.path("report.html").read_text()
    assert "Highest mean restoration" not in report
    assert "The head that restores most" not in report


def test_donors_are_chosen_and_none_is_needed(study):
    before = study.times("**/sweep.*")
    study.configure(lambda config: config["study"].update(donors=["placebo"]))
    jobs = study.jobs()
    assert set(jobs) == {"donor_sweep", "restoration_map", "specification", "ledger"} | OUTPUT
    run = study.path("demo", "tiny", "rephrased")
    name = "donor_map.head.negate.parquet"
    assert set(pd.read_parquet(run / name)["donor"]) == {"placebo"}
    study.configure(lambda config: config["study"].update(donors=[]))
    assert set(study.jobs()) == {"restoration_map", "specification", "ledger"} | OUTPUT
    assert study.times("**/sweep.*") == before
    assert pd.read_parquet(run / name).empty
    table = pd.read_parquet(run / "map.head.negate.parquet")
    assert table["exceeds_placebo"].isna().all()
    report = study.path("report.html").read_text()
    assert "patched from elsewhere" not in report
    study.configure(lambda config: config["study"].update(donors=["placebos"]))
    assert "study.donors.0 is 'placebos', did you mean 'placebo'?" in study.run("-n", fails=True)


def test_bfloat16_records_its_deviation(study):
    study.configure(lambda config: config["compute"].update(dtype="bfloat16"))
    study.run("--until", "sweep")
    path = study.path("demo", "tiny", "rephrased", "sweep.head.negate.parquet")
    found = read_provenance(path)["params"]["deviation_from_float32"]
    assert 0 < found["mean"] <= found["largest"] < 1
    table = pd.read_parquet(path)
    assert found["cells"] == (table["eligible"] & ~table["known"]).sum()
    assert found["pairs"] == found["of_pairs"] == table["pair_id"].nunique()


@pytest.mark.parametrize(
    ("module", "rerun"),
    [
        (
            "patching/restoration.py",
            {"runs", "sweep", "donor_sweep", "attention", "segments"}
            | ANALYSIS
            | OUTPUT - {"merged_config"},
        ),
        (
            "analyses/attention.py",
            {"attention", "attention_maps", "ledger"} | OUTPUT - {"merged_config"},
        ),
        ("figures/maps.py", {"figures", "report", "all"}),
        ("figures/style.py", {"figures", "ledger", "specification", "report", "all"}),
        ("report/page.py", {"report", "all"}),
        ("progress.py", set()),
    ],
)
def test_an_edited_module_reruns_what_uses_it(study, module, rerun):
    with open(study.folder / "workflow" / "negtrace" / module, "a") as file:
        file.write("\n# edited\n")
    assert set(study.jobs("-n")) == rerun


def test_a_killed_run_resumes_and_leaves_no_truncated_table(study, finished):
    shutil.rmtree(study.path("demo", "tiny"))
    kill_once_there(study, "demo/tiny/rephrased/.kept/sweep.resid.negate.parquet.*")
    survivors = study.tables()
    for path in survivors.values():
        pq.read_table(path)
    run = study.path("demo", "tiny", "rephrased")
    assert (run / "alignment.parquet").exists()
    # What a job may leave that is killed while it writes.
    (run / ".tmp-left.parquet").write_bytes(b"PAR1 half a table")
    (run / "figures").mkdir(exist_ok=True)
    (run / "figures" / ".tmp-left.svg").write_text("<svg")
    locked = study.run(fails=True)
    assert "snakemake --unlock and then the same command go on" in locked
    assert "results are locked" not in study.run("--unlock")
    jobs = study.jobs()
    assert not {"scenes", "items", "candidates", "tower", "alignment"} & set(jobs)
    said = study.path("logs", "sweep.demo.tiny.rephrased.log").read_text()
    assert "sweep.resid.negate.parquet: computed before, from the same" in said
    tables = study.tables()
    assert tables.keys() == finished.tables().keys()
    for name, path in finished.tables().items():
        assert tables[name].read_bytes() == path.read_bytes(), name
    assert "Nothing to be done" in study.run("-n")


def kill_once_there(study: Checkout, pattern: str) -> None:
    """Start a run and kill it and all its jobs when a file of results/ appears."""
    run = subprocess.Popen(
        study.command(),
        cwd=study.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not list(study.path().glob(pattern)):
            assert run.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def test_a_valse_file_with_generated_images_in_both_wordings(with_model, tmp_path):
    study = with_model(tmp_path)

    def change(config: dict) -> None:
        config["study"].update(
            datasets=["valse"], wordings=["standard", "rephrased"], sites=["head"]
        )
        config["datasets"]["valse"] = {
            "kind": "valse",
            "annotations": "items.json",
            "images": {"kind": "generated", "seed": 0},
        }

    shutil.copy(SAMPLE, tmp_path / "items.json")
    study.configure(change)
    jobs = study.jobs()
    assert jobs["images"] == jobs["generated_images"] == 1
    assert jobs["sweep"] == jobs["runs"] == 2
    assert "scenes" not in jobs
    assert not study.path("demo").exists()
    report = study.path("report.html").read_text()
    assert "tiny on valse, standard wording" in report
    assert "tiny on valse, rephrased wording" in report


def own_images(config: dict) -> None:
    config["study"]["datasets"] = ["own"]
    config["datasets"]["own"] = {"kind": "valse", "annotations": "items.json", "images": "pictures"}


def test_missing_and_corrupt_images_cost_their_items_alone(study):
    source = study.path("demo", "source")
    shutil.copytree(source / "images", study.folder / "pictures")
    shutil.copy(source / "existence.json", study.folder / "items.json")
    missing, corrupt = sorted((study.folder / "pictures").iterdir())[:2]
    missing.unlink()
    corrupt.write_bytes(corrupt.read_bytes()[:60])
    study.configure(own_images)
    study.run("--until", "images", "pairs")
    table = pd.read_parquet(study.path("own", "excluded.rephrased.parquet"))
    reasons = table.set_index("item_id")["reason"]
    assert reasons[missing.stem] == "no image: the file is missing"
    assert reasons[corrupt.stem].startswith("no image: not a readable image")
    embedded = pd.read_parquet(study.path("own", "tiny", "images.parquet"))["image_file"]
    assert not {missing.name, corrupt.name} & set(embedded)


def test_truncated_annotations_stop_the_run_and_are_named(study):
    (study.folder / "pictures").mkdir()
    (study.folder / "items.json").write_text(SAMPLE.read_text()[:500])
    study.configure(own_images)
    printed = study.run("--until", "candidates", fails=True)
    assert re.search(r"error: items\.json: .*JSON", printed)
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda config: config.update(segmants={"correct_from": 2}),
            "unknown key segmants, did you mean 'segments'",
        ),
        (
            lambda config: config["figures"].update(dpi="high"),
            "figures.dpi is 'high', but must be a whole number",
        ),
        (
            lambda config: config["models"]["tiny"].update(weights="gone.pt"),
            "models.tiny.weights: there is no file gone.pt",
        ),
    ],
    ids=["misspelt", "type", "file"],
)
def test_a_wrong_configuration_stops_before_anything_runs(study, change, message):
    study.configure(change)
    printed = study.run("-n", fails=True)
    assert message in printed
    assert "Job stats" not in printed
    assert "Traceback" not in printed


def test_an_unknown_architecture_is_named_with_similar_ones(study):
    study.configure(lambda config: config["models"]["tiny"].update(architecture="ViT-B-3"))
    printed = study.run("-n", fails=True)
    assert "knows no architecture 'ViT-B-3', did you mean 'ViT-B-32'" in printed


def test_snakemakes_own_report_shows_figures_and_tables(study):
    study.run("--report", "own.html")
    page = (study.folder / "own.html").read_text()
    for shown in ("comparison of all runs", "Restoration by head", "the whole report"):
        assert shown in page


def test_no_report_is_made_from_the_configuration_of_another_study(study):
    shutil.rmtree(study.folder / ".snakemake")  # results that were copied without it
    study.configure(lambda config: config["study"].update(title="Another study"))
    study.path("report.html").unlink()
    printed = study.run(fails=True)
    said = "results/config.yaml: this is another study's: delete it and run again"
    assert said in printed.rstrip().splitlines()[-1]
    study.path("config.yaml").unlink()
    study.run()
    assert "<title>Another study" in study.path("report.html").read_text()
