"""Models: their weights, text towers, constructed ones, outputs that others have published."""

from __future__ import annotations

from typing import Any

from negtrace.fetching.downloads import Downloads
from negtrace.models.compute import prepared
from negtrace.steps.job import Entry, Input, Made, Output, Resource, step


@step()
def plant(plant: dict[str, Any], architecture: Output, weights: Output) -> None:
    """Write the configuration and the weights of a constructed model."""
    from negtrace.analyses.planted import plant_of
    from negtrace.analyses.planted_model import write_planted

    values = dict(plant)
    active = values.pop("active", True)
    write_planted(plant_of(values), architecture, weights, active)


@step()
def weights(spec: Entry, weights: Output, downloads: Downloads) -> None:
    """Fetch what a model needs: checkpoint and tokenizer."""
    from negtrace.models.model_specs import ModelSpec
    from negtrace.models.weights import write_weights
    from negtrace.models.weights_download import fetch_weights

    write_weights(fetch_weights(ModelSpec(**spec), weights.parent, downloads), weights)


@step()
def tower(weights: Input, spec: Entry, threads: Resource, description: Output) -> None:
    """Load a model, compare its text tower with it, and write the tower."""
    from negtrace.models.families import load
    from negtrace.models.tower_file import save_tower
    from negtrace.models.tower_of_model import tower_of
    from negtrace.models.weights import read_weights
    from negtrace.patching.self_check import check_finite, check_tower

    prepared("cpu", threads)
    found = read_weights(weights)
    loaded = load(spec, found)
    check_finite(loaded.model)
    parameters = sum(weight.numel() for weight in loaded.model.parameters())
    identity = {**loaded.identity, "file_sha256": found.sha256, "parameters": parameters}
    extracted = tower_of(loaded, identity)
    check_tower(loaded.model, extracted, loaded.tokenizer)
    save_tower(extracted, description.parent)


@step()
def pictures(pictures: Output, downloads: Downloads) -> None:
    """Fetch the pictures that published outputs are of, as far as they can be had."""
    import logging

    from negtrace.errors import InputError
    from negtrace.fetching.files import fetch_file
    from negtrace.replication.published import picture_urls
    from negtrace.tables.store import write_json

    folder = pictures.parent / "pictures"
    files, urls = {}, {}
    for name, url in picture_urls().items():
        path = folder / url.rsplit("/", 1)[-1]
        try:
            fetch_file(url, path, downloads)
        except InputError as error:
            logging.warning("%s: %s", name, error)
            continue
        files[name], urls[str(path)] = str(path), url
    write_json({"files": files, "urls": urls}, pictures)


@step("identity")
def identity(weights: Input, pictures: Input, spec: Entry, threads: Resource) -> Made:
    """Compare a model's outputs with those that others have published of it."""
    import json
    from pathlib import Path

    from negtrace.models.families import load
    from negtrace.models.weights import read_weights
    from negtrace.replication.published import OUTPUTS
    from negtrace.replication.weights_identity import identity_check, read_golden

    prepared("cpu", threads)
    loaded = load(spec, read_weights(weights))
    files = json.loads(pictures.read_text(encoding="utf-8"))["files"]
    at_hand = {name: Path(file) for name, file in files.items()}
    checks = identity_check(loaded, read_golden(OUTPUTS), at_hand)
    return Made({"identity": checks}, {}, loaded.identity)
