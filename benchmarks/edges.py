"""Edge patches a second: ``python benchmarks/edges.py [--pairs N] [--threads N] [--all-roles]``.

ViT-B/32's text tower with random weights, VALSE's rephrased items: every sender into ten receivers,
keys and values of heads at the subject's first token, queries, an MLP and the read-out at EOT, from
the first to the last block; or all ten at the tokens of every role.
Prints wall and CPU time; `direct_paths.py` does the like in TransformerLens 4, in an environment of
its own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from subject import LOGIT_SCALE, Subject, make_subject

from negtrace.patching.edge_sweep import edge_sweep
from negtrace.patching.edges import receivers_named
from negtrace.progress import bar, silent

RECEIVERS = {
    "subject_first": ("2.1.k", "4.3.v", "6.8.k", "7.1.v", "9.2.v"),
    "EOT": ("5.2.q", "8.4.q", "11.6.q", "mlp.10", "read-out"),
}


def edges_of(
    subject: Subject, all_roles: bool = False, progress: Callable[..., Any] = silent
) -> pd.DataFrame:
    """Every sender into the receivers, at the tokens of their role or of all roles."""
    tables = (subject.alignment, subject.candidates, subject.images, subject.scores)
    parts = []
    for role, names in RECEIVERS.items():
        receivers = receivers_named(names, subject.tower.shape)
        roles = () if all_roles else (role,)
        given = (receivers, "negate", LOGIT_SCALE)
        parts.append(edge_sweep(subject.tower, *tables, *given, roles=roles, progress=progress))
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10**6, help="a random choice; default all")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--all-roles", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    subject = make_subject().first(options.pairs, seed=0)
    wall, cpu = time.perf_counter(), time.process_time()
    found = edges_of(subject, options.all_roles, bar)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    patches = len(found.drop_duplicates(["pair_id", "sender", "receiver", "role"]))
    count, into = found["pair_id"].nunique(), found["receiver"].nunique()
    print(
        f"{subject.sentences}: {count} pairs, {into} receivers, {patches} patches, {wall:.1f} s,"
        f" {cpu:.1f} s of CPU, {patches / wall:.0f} patches/s, {patches / cpu:.0f} a CPU second"
        f" ({options.threads} threads)"
    )


if __name__ == "__main__":
    main()
