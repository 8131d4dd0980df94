"""Unpatched runs: embeddings of all sentences, scores of all items."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.scores import pictured, scores, sentence_embeddings
from negtrace.steps.command import run
from negtrace.steps.compute import COMPUTE, tower_of
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table

TABLES = ("alignment", "candidates", "images")


def step(options: Namespace) -> None:
    tower, tables = tower_of(options), tables_of(options, TABLES)
    sentences = sentence_embeddings(tower, tables["alignment"], options.memory_mb / 1024)
    candidates = pictured(tables["candidates"], tables["images"])
    scored = scores(candidates, sentences, tables["images"], tower.identity["logit_scale"])
    made = provenance(
        "runs",
        tables=tables.sources,
        params={"dtype": options.dtype, "device": str(tower.device)},
        model=tower.identity,
    )
    write_table(labelled(sentences, vars(options)), options.sentences, "sentences", made)
    write_table(labelled(scored, vars(options)), options.scores, "scores", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            **dict.fromkeys(TABLES, Path),
            **COMPUTE,
            "sentences": Path,
            "scores": Path,
        },
    )
