"""Forward passes: tokens and roles, image embeddings, sentence embeddings and scores."""

from __future__ import annotations

from pathlib import Path

from negtrace.models.compute import Compute, prepared
from negtrace.steps.job import (
    Entry,
    Input,
    Inputs,
    Made,
    Place,
    Resource,
    ResourceName,
    Table,
    step,
)


@step("alignment", "excluded", readable="candidates", placebo_alignment="alignment")
def alignment(
    candidates: Table, tower: Inputs, weights: Input, spec: Entry, threads: Resource
) -> Made:
    """Tokenise and align both sentences of every pair; leave out what the model cannot read."""
    import pandas as pd

    from negtrace.data.reading import read_candidates, read_placebos
    from negtrace.errors import InputError
    from negtrace.models.families import load
    from negtrace.models.tower_file import load_tower
    from negtrace.models.weights import read_weights
    from negtrace.patching.self_check import check_tower

    prepared("cpu", threads)
    stored = load_tower(tower[0].parent)
    loaded = load(spec, read_weights(weights))
    readable, frame, excluded = read_candidates(candidates, loaded.tokenizer, stored.shape)
    if readable.empty:
        raise InputError(
            "the model can read none of the dataset's pairs; first reason: "
            f"{excluded['reason'].iloc[0]}"
        )
    sentences = pd.unique(pd.concat([readable["negated"], readable["affirmative"]]))
    check_tower(loaded.model, stored, loaded.tokenizer, list(sentences))
    placebos = read_placebos(readable, loaded.tokenizer, stored.shape)
    made = {"alignment": frame, "readable": readable, "excluded": excluded}
    made["placebo_alignment"] = placebos
    return Made(made, {}, stored.identity)


@step("images")
def images(
    image_files: Table,
    weights: Input,
    spec: Entry,
    folder: Place,
    image_batch: Resource,
    device: ResourceName,
    threads: Resource,
) -> Made:
    """Encode every image of a dataset that is at hand."""
    import pandas as pd

    from negtrace.data.image_embeddings import encode_images
    from negtrace.data.images import available, check_unchanged
    from negtrace.models.families import load
    from negtrace.models.weights import read_weights
    from negtrace.progress import track

    device = prepared(device, threads)
    names = available(image_files)
    check_unchanged(Path(folder), image_files)
    loaded = load(spec, read_weights(weights))
    embeddings = encode_images(
        loaded,
        [Path(folder) / name for name in names],
        image_batch,
        device,
        lambda batches: track(batches, desc="images", unit="batch"),
    )
    frame = pd.DataFrame({"image_file": names, "embedding": list(embeddings)})
    return Made({"images": frame}, {}, loaded.identity)


@step("sentences", "scores", "certificate")
def runs(
    tower: Inputs, alignment: Table, candidates: Table, images: Table, compute: Compute
) -> Made:
    """Unpatched runs: embeddings of all sentences, scores of all items; and patches known before.

    The certificate is made here so that a model it fails for is not swept at all.
    """
    from negtrace.models.tower_file import load_tower
    from negtrace.patching.certificate import certified
    from negtrace.patching.scores import pictured, scores, sentence_embeddings

    loaded = compute.tower(tower)
    sentences = sentence_embeddings(loaded, alignment, compute.memory_gb)
    scale = loaded.identity["logit_scale"]
    items = pictured(candidates, images)
    exact = loaded
    if loaded.dtype.itemsize < 4:
        exact = load_tower(tower[0].parent, "float32", str(loaded.device))
    made = {
        "sentences": sentences,
        "scores": scores(items, sentences, images, scale),
        "certificate": certified(exact, alignment, items, images, memory_gb=compute.memory_gb),
    }
    return Made(made, {"device": str(loaded.device)}, loaded.identity)
