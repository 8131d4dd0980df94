"""Datasets of every kind through real Snakemake runs, downloads from a local server."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile

import datasets
import pandas as pd
import pytest
from checkout import SAMPLE, Checkout
from http_server import serve
from tiny_clipseg import save_tiny_clipseg

from negtrace.data.generated_images import generated_image

ITEMS = json.loads(SAMPLE.read_text())
IMAGES = sorted({item["image_file"] for item in ITEMS.values() if item["image_file"]})
# Not in the archive; the second cannot be had anywhere else either.
LACKING = ITEMS["plural_negated_caption"]["image_file"]
GONE = ITEMS["singular_negated_caption"]["image_file"]
ARCHIVED = [name for name in IMAGES if name not in (LACKING, GONE)]


def picture(name: str) -> bytes:
    buffer = io.BytesIO()
    generated_image(name, seed=0).save(buffer, format="JPEG")
    return buffer.getvalue()


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name in ARCHIVED:
            made.writestr(f"images/{name}", picture(name))
    return buffer.getvalue()


def files() -> dict[str, bytes]:
    return {
        "/valse/existence.json": SAMPLE.read_bytes(),
        "/images.zip": archive(),
        f"/genome/{LACKING}": picture(LACKING),
    }


def downloading(server, **downloads):
    """A study whose dataset comes from the server."""

    def change(config: dict) -> None:
        config["study"].update(datasets=["far"], sites=["head"])
        config["downloads"] = downloads
        config["datasets"]["far"] = {
            "kind": "valse",
            "annotations": {
                "url": server.url("/valse/existence.json"),
                "sha256": hashlib.sha256(SAMPLE.read_bytes()).hexdigest(),
            },
            "images": {
                "kind": "zip",
                "url": server.url("/images.zip"),
                "member": "images/{image_file}",
                "fallback": [server.url("/genome/{image_file}")],
            },
        }

    return change


def test_downloads_missing_images_prefetch_and_a_machine_without_network(
    with_model, tmp_path, monkeypatch
):
    online = with_model(tmp_path / "online")
    with serve(files()) as server:
        online.configure(downloading(server, mirror="mirror"))
        online.run()
        asked = len(server.requests)
        table = pd.read_parquet(online.path("far", "image_files.parquet")).set_index("image_file")
        assert list(table.index) == IMAGES
        assert set(table.loc[ARCHIVED, "origin"].astype(str)) == {"archive"}
        assert table.loc[LACKING, "origin"] == "fallback"
        assert "404" in table.loc[GONE, "reason"]
        excluded = pd.read_parquet(online.path("far", "excluded.rephrased.parquet"))
        left_out = excluded[excluded["reason"].str.startswith("no image: ")]
        assert left_out["item_id"].tolist() == ["singular_negated_caption"]
        assert "no image: " in online.path("report.html").read_text()
        assert "Nothing to be done" in online.run()
        online.run("prefetch")
        assert len(server.requests) == asked
        offline = with_model(tmp_path / "offline")
        shutil.copytree(online.folder / "mirror", offline.folder / "mirror")
        offline.configure(downloading(server, mirror="mirror", offline=True))
        offline.run()
        assert len(server.requests) == asked
        for name in ("sweep.head.negate", "scores"):
            table = f"far/tiny/rephrased/{name}.parquet"
            pd.testing.assert_frame_equal(
                *(pd.read_parquet(of.path(table)) for of in (online, offline))
            )
        bare = Checkout.create(tmp_path / "bare")
        bare.configure(downloading(server))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        printed = bare.run(fails=True)
        assert "offline" in printed
        assert "downloads.mirror" in printed
        assert len(server.requests) == asked


def test_annotations_of_another_content_are_refused(tmp_path):
    study = Checkout.create(tmp_path)
    changed = files() | {"/valse/existence.json": b"{}"}
    with serve(changed) as server:
        study.configure(downloading(server))
        printed = study.run("--until", "items", fails=True)
    assert server.url("/valse/existence.json") in printed
    assert "sha256" in printed
    assert not study.path("far", "source", "existence.json").exists()


@pytest.fixture
def own(with_model, tmp_path) -> Checkout:
    """A checkout with a table of items, a folder of pictures and a dataset that holds both."""
    study = with_model(tmp_path)
    usable = [item for item in ITEMS.values() if item["image_file"]]
    rows = pd.DataFrame(usable)[["image_file", "caption", "foil"]]
    rows.columns = ["picture", "true", "false"]
    rows.to_csv(tmp_path / "items.csv", index=False)
    (tmp_path / "pictures").mkdir()
    for name in IMAGES:
        (tmp_path / "pictures" / name).write_bytes(picture(name))
    images = [{"bytes": picture(name), "path": None} for name in rows["picture"]]
    texts = {"caption": list(rows["true"]), "foil": list(rows["false"])}
    made = datasets.Dataset.from_dict({"image": images, **texts})
    made = made.cast(datasets.Features(made.features | {"image": datasets.Image()}))
    made.to_parquet(tmp_path / "hub" / "test-00000-of-00001.parquet")
    box = {"x": 0, "y": 0, "width": 32, "height": 16, "image_width": 64, "image_height": 64}
    boxes = pd.DataFrame([{"image_file": name, **box} for name in IMAGES])
    boxes.to_csv(tmp_path / "boxes.csv", index=False)
    save_tiny_clipseg(tmp_path / "clipseg")
    return study


def test_tables_and_datasets_libraries_give_the_same_study(own):
    def change(config: dict) -> None:
        config["study"].update(datasets=["rows", "hub"], sites=["head"])
        columns = {"image": "picture", "caption": "true", "foil": "false"}
        table = {"kind": "table", "file": "items.csv", "columns": columns, "images": "pictures"}
        boxes = {"kind": "boxes", "file": "boxes.csv"}
        config["datasets"]["rows"] = table | {"subjects": boxes}
        hub = {"kind": "huggingface", "source": "hub", "split": "test"}
        config["datasets"]["hub"] = hub | {"subjects": {"kind": "clipseg", "model": "clipseg"}}

    own.configure(change)
    own.run()
    rows, hub = (
        pd.read_parquet(own.path(name, "tiny", "rephrased", "scores.parquet"))
        for name in ("rows", "hub")
    )
    assert rows["item_id"].tolist() == hub["item_id"].tolist()
    assert rows["d"].abs().max() > 0.01
    # JPEG and its PNG copy are the same pixels.
    assert rows["d"].to_numpy() == pytest.approx(hub["d"].to_numpy(), abs=1e-6)
    boxed, segmented = (
        pd.read_parquet(own.path(name, "subject_sizes.parquet")) for name in ("rows", "hub")
    )
    assert len(boxed) > 10
    assert boxed["area"].eq(0.125).all()
    assert segmented["area"].between(0.01, 0.99).sum() > 10
    assert segmented["area"].nunique() > 10
    assert "Nothing to be done" in own.run()
    with open(own.folder / "items.csv", "a") as file:
        file.write(f"{IMAGES[0]},There is no van.,There is a van.\n")
    assert {"items", "candidates", "sweep"} <= set(own.jobs("-n"))
    report = own.path("report.html").read_text()
    assert "tiny on rows" in report
    assert "tiny on hub" in report


def test_a_bad_row_of_a_table_is_named(own):
    own.configure(
        lambda config: (
            config["study"].update(datasets=["rows"]),
            config["datasets"].update(
                rows={"kind": "table", "file": "items.csv", "images": "pictures"}
            ),
        )
    )
    printed = own.run("--until", "items", fails=True)
    assert "items.csv: has no column 'image' for the image; its columns are picture" in printed
    assert "Traceback" not in printed


def test_what_is_wrong_with_an_item_costs_that_item_alone(own):
    rows = pd.read_csv(own.folder / "items.csv")
    broken, gone = rows["picture"].unique()[:2]
    (own.folder / "pictures" / broken).write_bytes(picture(broken)[:200])
    (own.folder / "pictures" / gone).unlink()
    outside = own.folder / "mine.jpg"
    outside.write_bytes(picture(IMAGES[0]))
    known = IMAGES[-1]
    assert known not in (broken, gone)
    long = "There are no " + "very " * 80 + "big dogs."
    lines = [
        f"{known},{long},{long.replace('no ', '')}",
        f"{known},In the park, there are no dogs.,There are dogs.",
        f"{outside},There is no van.,There is a van.",
        "../mine.jpg,There is no van.,There is a van.",
        f"{known},there is  no van. ,There is a van.",
        f"{known},There is no van.,There is a van.",
    ]
    with open(own.folder / "items.csv", "a") as file:
        file.write("\n".join(lines) + "\n")
    columns = {"image": "picture", "caption": "true", "foil": "false"}
    table = {"kind": "table", "file": "items.csv", "columns": columns}

    def change(config: dict) -> None:
        config["study"].update(datasets=["rows", "drawn"], sites=["head"], wordings=["standard"])
        config["datasets"]["rows"] = table | {"images": "pictures"}
        config["datasets"]["drawn"] = table | {"images": {"kind": "generated", "seed": 0}}

    own.configure(change)
    own.run()
    for name in ("rows", "drawn"):
        folder = own.path(name, "tiny", "standard")
        excluded = pd.concat(
            pd.read_parquet(path).set_index("item_id")["reason"]
            for path in (own.path(name, "excluded.standard.parquet"), folder / "excluded.parquet")
        )
        scores = pd.read_parquet(folder / "scores.parquet").set_index("item_id")
        first = len(rows) + 1
        long_one, shifted, absolute, upwards, other, van = map(str, range(first, first + 6))
        assert "tokens, but the model reads at most 77" in excluded[long_one]
        assert excluded[shifted].endswith("has 4 fields, the header has 3")
        for item in (absolute, upwards):
            assert "not the name of a file inside the image folder" in excluded[item]
        assert not {long_one, shifted, absolute, upwards} & set(scores.index)
        assert scores.loc[other, "pair_id"] == scores.loc[van, "pair_id"]
        assert scores.loc[other, "d"] == scores.loc[van, "d"]
        unusable = rows.index[rows["picture"].isin([broken, gone])]
        usable = not set(map(str, unusable + 1)) & set(scores.index)
        assert usable == (name == "rows")
        assert len(pd.read_parquet(folder / "segments.parquet")) > 10
    report = own.path("report.html").read_text()
    assert "tokens, but the model reads at most 77" in report
    assert "no image: not a readable image" in report
    assert "no image: the file is missing" in report
    assert outside.read_bytes() == picture(IMAGES[0])
    assert not (own.path("drawn") / "mine.jpg").exists()


def test_a_changed_picture_reruns_what_depends_on_it_and_nothing_else(with_model, tmp_path):
    study, pictures = with_model(tmp_path / "study"), tmp_path / "pictures"
    for name in IMAGES:
        (pictures / name).parent.mkdir(parents=True, exist_ok=True)
        (pictures / name).write_bytes(picture(name))

    def change(config: dict) -> None:
        config["study"].update(datasets=["mine"], sites=["head"])
        config["datasets"]["mine"] = {
            "kind": "valse",
            "annotations": str(SAMPLE),
            "images": str(pictures),
        }

    study.configure(change)
    wanted = ("--until", "images", "pairs", "alignment")
    study.run(*wanted)
    assert not study.jobs(*wanted, "-n")
    (pictures / ".DS_Store").write_bytes(b"x")
    (pictures / "notes.txt").write_text("x")
    (pictures / "named_by_no_item.jpg").write_bytes(picture("other"))
    (pictures / IMAGES[0]).touch()
    assert not study.jobs(*wanted, "-n")
    before = study.tables()
    aligned = before["results/mine/tiny/rephrased/alignment.parquet"].stat().st_mtime_ns
    embedded = before["results/mine/tiny/images.parquet"].read_bytes()
    (pictures / IMAGES[0]).write_bytes(picture("another"))
    assert set(study.jobs(*wanted)) == {"image_folder", "images", "pairs"}
    assert before["results/mine/tiny/images.parquet"].read_bytes() != embedded
    assert before["results/mine/tiny/rephrased/alignment.parquet"].stat().st_mtime_ns == aligned
    assert not study.jobs(*wanted, "-n")
    (pictures / IMAGES[0]).write_bytes(picture(IMAGES[0]))
    study.run(*wanted)
    assert before["results/mine/tiny/images.parquet"].read_bytes() == embedded
    assert "every result is whole" in study.run("verify")


def test_an_edited_local_dataset_is_read_again(tmp_path):
    study, folder = Checkout.create(tmp_path / "study"), tmp_path / "local"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(picture("a"))
    rows = "file_name,caption,foil\na.jpg,There are no dogs.,There are dogs.\n"
    (folder / "metadata.csv").write_text(rows)

    def change(config: dict) -> None:
        config["study"].update(datasets=["mine"])
        config["datasets"]["mine"] = {
            "kind": "huggingface",
            "source": str(folder),
            "split": "train",
            "columns": {"caption": "caption", "foil": "foil"},
        }

    study.configure(change)
    wanted = ("--until", "candidates")
    study.run(*wanted)
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "a.jpg").touch()
    assert not study.jobs(*wanted, "-n")
    (folder / "metadata.csv").write_text(rows.replace("dogs", "cats"))
    assert set(study.jobs(*wanted)) == {"hugging_face", "candidates"}
    items = pd.read_parquet(study.path("mine", "items.parquet"))
    assert items["caption"].tolist() == ["There are no cats."]
