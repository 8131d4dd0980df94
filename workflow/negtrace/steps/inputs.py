"""Inputs: items and their minimal pairs, images, sizes of subjects, negative controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from negtrace.fetching.downloads import Downloads
from negtrace.models.compute import prepared
from negtrace.steps.job import (
    Entry,
    Input,
    Label,
    Made,
    Output,
    Place,
    Resource,
    ResourceName,
    Table,
    Trigger,
    step,
)


@step("image_files")
def scenes(annotations: Output, number: int, seed: int, per_picture: int) -> Made:
    """Draw the demo world: pictures, masks, and items in VALSE's format."""
    from negtrace.data.demo_world.items import write_dataset
    from negtrace.data.images import file_table, image_files
    from negtrace.data.readers.valse import read_valse

    folder = annotations.parent
    write_dataset(folder, number, seed, per_picture)
    names = image_files(read_valse(annotations))
    return Made({"image_files": file_table(folder / "images", names, "scenes")})


@step()  # type: ignore[no-redef]  # the name of a __future__ import too
def annotations(annotations: Output, url: str, sha256: str, downloads: Downloads) -> None:
    """Download a dataset's file of items."""
    from negtrace.fetching.files import fetch_file
    from negtrace.tables.store import sha256 as sha256_of

    fetch_file(url, annotations, downloads, sha256=sha256 or None)
    if not sha256:
        print(
            f"{url}: compared with nothing, since the entry gives no sha256; to keep to what came "
            f"this time: sha256: {sha256_of(annotations)}"
        )


@step(item_table="items")
def items(annotations: Input, code: Input | None, reader: dict[str, Any]) -> Made:
    """Read a dataset's items, whatever format they are in."""
    from negtrace.data.readers.registry import read_items

    return Made({"item_table": read_items(annotations, reader, code)})


@step("image_files", item_table="items")
def hugging_face(
    entry: Entry, state: Trigger, folder: Place, files_read: Output, downloads: Downloads
) -> Made:
    """Read items and pictures from a dataset of the Hugging Face hub, or a local one."""
    from negtrace.data.readers.hugging_face import located, read_hugging_face
    from negtrace.progress import track
    from negtrace.study.folder_state import files_in, record, stamps
    from negtrace.tables.store import sha256, write_json

    source = Path(entry["source"])
    stamped = stamps(source, files_in(source)) if source.is_dir() else {}
    hashes = {name: sha256(source / name) for name, stamp in stamped.items() if stamp}
    found, files = read_hugging_face(
        located(entry["source"], downloads),
        entry["split"],
        entry.get("columns", {}),
        Path(folder),
        subset=entry.get("subset"),
        revision=entry.get("revision"),
        progress=lambda rows: track(rows, desc="rows", unit="row"),
    )
    write_json(record(state, stamped, hashes), files_read)
    params = {key: value for key, value in entry.items() if key != "source"}
    return Made({"item_table": found, "image_files": files}, params)


@step("image_files")
def generated_images(item_table: Table, folder: Place, seed: int) -> Made:
    """Make stand-ins for a dataset's pictures."""
    from negtrace.data.generated_images import generate_images
    from negtrace.data.images import file_table, image_files, whole_files, with_crops

    names = image_files(item_table)
    wholes = whole_files(names)
    faults = generate_images(Path(folder), wholes, seed)
    files = file_table(Path(folder), wholes, "generated", faults)
    return Made({"image_files": with_crops(files, names, Path(folder))})


@step("image_files")
def image_folder(item_table: Table, folder: Input, state: Trigger, files_read: Output) -> Made:
    """Look at every image of a user's folder."""
    from negtrace.data.crops import file_of
    from negtrace.data.images import file_table, image_files, warn_of_missing, whole_files
    from negtrace.study.folder_state import record, stamps
    from negtrace.tables.store import write_json

    names = image_files(item_table)
    stamped = stamps(folder, whole_files(names))
    files = warn_of_missing(file_table(folder, names, "folder"))
    known = files.dropna(subset="sha256")
    hashes = dict(zip(known["image_file"].map(file_of), known["sha256"], strict=True))
    write_json(record(state, stamped, hashes), files_read)
    return Made({"image_files": files})


@step("image_files")
def image_archive(
    item_table: Table, archive: dict[str, Any], folder: Place, downloads: Downloads
) -> Made:
    """Fetch a dataset's images out of a remote archive."""
    from negtrace.data.archive_images import ImageArchive, fetch_images
    from negtrace.data.crops import file_of
    from negtrace.data.images import image_files, naming_an_image, warn_of_missing, with_crops
    from negtrace.progress import bar

    source = ImageArchive(archive["url"], archive["member"], tuple(archive.get("fallback", ())))
    items = naming_an_image(item_table)
    items = items.assign(image_file=items["image_file"].map(file_of))
    files = fetch_images(items, source, Path(folder), downloads, bar)
    files = with_crops(files, image_files(item_table), Path(folder))
    return Made({"image_files": warn_of_missing(files)})


@step("candidates", rejected="excluded")
def candidates(item_table: Table, wording: Label, contrast: dict[str, Any]) -> Made:
    """Word every item, whatever the annotators said about it."""
    import logging

    from negtrace.data.contrasts import contrast_of
    from negtrace.data.pairs import candidates, reason_counts
    from negtrace.errors import InputError

    accepted, rejected = candidates(item_table, wording, contrast_of(contrast))
    for reason, count in reason_counts(rejected).items():
        logging.warning("%d of %d items left out: %s", count, len(item_table), reason)
    if accepted.empty:
        raise InputError(
            f"none of the dataset's items is a minimal pair in the wording {wording}; first "
            f"reason: {rejected['reason'].iloc[0]}"
        )
    made = {"candidates": accepted, "rejected": rejected}
    return Made(made, {"wording": wording, "contrast": contrast})


@step("excluded", pairs="candidates")
def pairs(
    candidates: Table,
    rejected: Table,
    image_files: Table,
    of_pairs: Table | None,
    min_votes: int,
    wanted: list[str],
    where: dict[str, list[str]],
) -> Made:
    """Keep the wanted candidates that annotators agreed with and whose image is at hand.

    A control has the items of its original, whose words the filter is about.
    """
    import logging

    from negtrace.data.pairs import select, unwanted
    from negtrace.errors import InputError

    lacking = image_files.dropna(subset="reason")
    missing = dict(zip(lacking["image_file"], lacking["reason"], strict=True))
    if of_pairs is None:
        left_out = unwanted(candidates, wanted, where)
        if lost := sorted({*wanted} - {*candidates["item_id"], *rejected["item_id"]}):
            logging.warning("filter.items: %d are not in this dataset: %s", len(lost), lost[0])
    else:
        left_out = unwanted(candidates, of_pairs["item_id"].tolist(), {})
    kept, excluded = select(candidates, rejected, min_votes, missing, left_out)
    if kept.empty:
        last = excluded.iloc[-1]
        raise InputError(
            "no item of the dataset is left: change its `images` or the section filter; item "
            f"{last['item_id']}: {last['reason']}"
        )
    return Made({"pairs": kept, "excluded": excluded})


@step("image_files", item_table="items")
def control_inputs(of_items: Table, of_image_files: Table) -> Made:
    """A negative control has the items and images of the dataset that it is derived from."""
    return Made({"item_table": of_items, "image_files": of_image_files})


@step("candidates", rejected="excluded")
def control(
    of_candidates: Table, of_rejected: Table, of_image_files: Table, kind: str, seed: int
) -> Made:
    """Derive the candidates of a negative control from those of a dataset."""
    from negtrace.data.controls import derived
    from negtrace.errors import InputError

    made, rejected = derived(kind, of_candidates, of_rejected, of_image_files, seed)
    if made.empty:
        raise InputError("no item of the dataset can be made neutral; leave the control out")
    return Made({"candidates": made, "rejected": rejected})


@step()
def segmenter(model: str, segmenter: Output, downloads: Downloads) -> None:
    """Fetch CLIPSeg, or note where it lies."""
    from negtrace.fetching.hub_repository import fetch_repository
    from negtrace.tables.store import write_json

    files = ("*.json", "*.txt", "*.safetensors", "*.bin")
    folder, urls = Path(model), {}
    if not folder.is_dir():
        folder = segmenter.parent / "segmenter"
        urls = fetch_repository(model, folder, files, downloads)
    write_json({"folder": str(folder), "urls": urls}, segmenter)


@step("subject_sizes")
def subject_areas(candidates: Table, source: Input, kind: str, folder: Place) -> Made:
    """Sizes of subjects from masks, which lie in a folder, or from a table of boxes."""
    from negtrace.data.subjects import areas_from_boxes, areas_from_masks

    sizes = (
        areas_from_boxes(candidates, source)
        if kind == "boxes"
        else areas_from_masks(candidates, Path(folder))
    )
    return Made({"subject_sizes": sizes})


@step("subject_sizes")
def subject_segmentation(
    candidates: Table,
    image_files: Table,
    segmenter: Input,
    name: str,
    images: Place,
    image_batch: Resource,
    device: ResourceName,
    threads: Resource,
) -> Made:
    """Sizes of subjects as CLIPSeg sees them."""
    import json

    from negtrace.data.clipseg import clipseg_areas
    from negtrace.data.images import available, check_unchanged
    from negtrace.progress import track

    device = prepared(device, threads)
    there = candidates["image_file"].isin(available(image_files))
    check_unchanged(Path(images), image_files)
    sizes = clipseg_areas(
        candidates[there].reset_index(drop=True),
        Path(images),
        json.loads(segmenter.read_text(encoding="utf-8"))["folder"],
        image_batch,
        device,
        lambda batches: track(batches, desc="subjects", unit="batch"),
    )
    return Made({"subject_sizes": sizes})


@step()
def prefetch(config: dict[str, Any], mirror: ResourceName) -> None:
    """Copy all that a study downloads into the mirror."""
    from negtrace.data.mirror import copy_into, downloaded, snapshot_datasets
    from negtrace.study.places import RESULTS

    place = Path(mirror)
    snapshot_datasets(config, place)
    copied = [copy_into(place, *found) for found in downloaded(config, Path(RESULTS))]
    print(f"{place}: {len(copied)} files, {sum(copied)} of them new")
