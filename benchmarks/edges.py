"""Edge patches a second: ``python benchmarks/edges.py [--pairs N] [--threads N]``.

ViT-B/32's text tower with random weights, VALSE's rephrased items: every sender into ten receivers,
queries, keys and values of heads from the first to the last block, an MLP and the read-out.
Prints wall and CPU time; `direct_paths.py` does the like in TransformerLens 4, in an environment of
its own.
"""

from __future__ import annotations

import argparse
import time

import torch
from subject import LOGIT_SCALE, make_subject

from negtrace.patching.edge_sweep import edge_sweep
from negtrace.patching.edges import receivers_named

RECEIVERS = (
    *("2.1.k", "4.3.v", "5.2.q", "6.8.k", "7.1.v", "8.4.q", "9.2.v", "11.6.q"),
    *("mlp.10", "read-out"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10**6, help="a random choice; default all")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    subject = make_subject().first(options.pairs, seed=0)
    tables = (subject.alignment, subject.candidates, subject.images, subject.scores)
    receivers = receivers_named(RECEIVERS, subject.tower.shape)
    wall, cpu = time.perf_counter(), time.process_time()
    found = edge_sweep(subject.tower, *tables, receivers, "negate", LOGIT_SCALE)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    patches = len(found.drop_duplicates(["pair_id", "sender", "receiver", "role"]))
    print(
        f"{subject.sentences}: {found['pair_id'].nunique()} pairs, {len(receivers)} receivers,"
        f" {patches} patches, {wall:.1f} s, {cpu:.1f} s of CPU, {patches / wall:.0f} patches/s,"
        f" {patches / cpu:.0f} a CPU second ({options.threads} threads)"
    )


if __name__ == "__main__":
    main()
