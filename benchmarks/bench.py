"""Benchmark the engine against its peers: ``python benchmarks/bench.py [--quick]``.

Writes bench.parquet (every repeat and the medians), bench.md, bench.svg and bench.png.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch
from bridge import TransformerLensBridge
from compare import compare
from gpu import gpu_rows
from growth import growth, memory_pairs, settings
from peers import (
    SITES,
    CutTwin,
    NnsightInvokes,
    SlowTwin,
    TransformerLens,
    TransformerLensBatched,
)
from subject import ROOT, make_subject
from tqdm import tqdm

from report import tabulate, write

PEERS = (
    SlowTwin,
    CutTwin,
    TransformerLens,
    TransformerLensBatched,
    TransformerLensBridge,
    NnsightInvokes,
)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few pairs, two repeats: minutes")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "bench")
    parser.add_argument("--repeats", type=int, help="default 5, with --quick 2")
    parser.add_argument("--pairs", type=int, help="pairs that the engine sweeps; default all")
    parser.add_argument("--items", type=int, help="most items per batch of a peer; default 32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto", help="cpu: no GPU")
    parser.add_argument("--memory-gb", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    defaults = {"repeats": (5, 2), "pairs": (10**6, 24), "items": (32, 8)}
    for name, values in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, values[options.quick])
    return options


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)
    whole = make_subject(options.seed)
    subject = whole.first(options.pairs, options.seed)
    shape = subject.tower.shape
    pairs, items = (subject.candidates["pair_id"].nunique(), len(subject.candidates))
    steps = len(SITES) * (len(PEERS) + options.repeats * (len(PEERS) + 1))
    steps += options.repeats * sum(map(len, settings(options.quick).values()))
    steps += len(memory_pairs(options.quick))
    with tqdm(total=steps, unit="step") as bar:
        rows = list(
            compare(
                subject,
                PEERS,
                options.repeats,
                options.seed,
                options.items,
                options.memory_gb,
                bar,
            )
        )
        rows += growth(options.repeats, options.threads, options.quick, bar)
        if options.device == "auto":
            rows += gpu_rows(options.repeats, options.seed, options.items, options.memory_gb, bar)
    sentences = (
        f"{subject.sentences}: {items} items with {pairs} distinct pairs "
        f"(of {len(whole.candidates)} and {whole.candidates['pair_id'].nunique()}); text tower "
        f"{shape.width} wide, {shape.layers} layers, {shape.heads} heads"
    )
    remarks = [
        "The engine sweeps all of these pairs in every repeat. Peers are timed on random samples "
        "of equally long sentences, drawn anew in every repeat (column *patches per repeat*); "
        "their time for the whole study is extrapolated from it: every cell of its grid, for "
        "every item. A patch of the engine is one that it computes; known cells are not counted.",
        "TransformerLens's own function gives one number per cell; where items are batched, the "
        "metric keeps their scores. nnsight and the head site: torch's attention is exchanged for "
        "open_clip's own class, whose z is visible.",
    ]
    write(tabulate(rows), options.output, sentences, remarks)
    print((options.output / "bench.md").read_text())


if __name__ == "__main__":
    main()
