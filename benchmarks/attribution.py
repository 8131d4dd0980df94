"""Gradients' time beside patching's: ``python benchmarks/attribution.py [--pairs N] [--steps M]``.

ViT-B/32's text tower with random weights, VALSE's rephrased items, the same cells both ways: sites
``resid``, ``head``, ``q`` and ``k``, and the edges of `edges.py`.  Prints a Markdown table; the
estimates' time holds their runs and backward passes, which serve all sites and edges of a method.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import torch
from edges import RECEIVERS, edges_of
from subject import LOGIT_SCALE, Subject, make_subject

from negtrace.analyses.attribution import batches
from negtrace.analyses.estimates import (
    Batch,
    Wanted,
    cell_estimates,
    edge_estimates,
    edges_anew,
    heads_anew,
    lines,
    mean_gradients,
    membership,
)
from negtrace.models.tower import TextTower
from negtrace.patching.edges import every_sender, receivers_named
from negtrace.patching.score_grid import make_study

DIRECTION = "negate"
SITES = ("resid", "head", "q", "k")
Method = Callable[[TextTower, Batch, Wanted], None]


def cells(along: list[float]) -> Method:
    """Estimates of all sites from gradients at these points."""

    def run(tower: TextTower, batch: Batch, wanted: Wanted) -> None:
        gradients = mean_gradients(tower, batch, [], along)
        for site in SITES:
            cell_estimates(tower, batch, gradients, site)

    return run


def qk_fix(tower: TextTower, batch: Batch, wanted: Wanted) -> None:
    gradients = mean_gradients(tower, batch, [], lines(1)["atp"])
    for part in ("q", "k"):
        heads_anew(tower, batch, gradients, part)


def edges(along: list[float], anew: bool = False) -> Method:
    """Estimates of all edges from gradients at these points."""

    def run(tower: TextTower, batch: Batch, wanted: Wanted) -> None:
        gradients = mean_gradients(tower, batch, wanted.receivers, along)
        roles = {role: i for i, role in enumerate(wanted.roles)}
        member = membership(batch.bases, roles, batch.place)
        (edges_anew if anew else edge_estimates)(tower, batch, gradients, wanted, member)

    return run


@torch.no_grad()
def estimated(subject: Subject, method: Method, wanted: list[Wanted]) -> float:
    """Seconds of one method over all items."""
    tables = (subject.alignment, subject.candidates, subject.images, subject.scores)
    began = time.perf_counter()
    study = make_study(*tables, DIRECTION, LOGIT_SCALE)
    for batch in batches(subject.tower, study, DIRECTION):
        for some in wanted:
            method(subject.tower, batch, some)
    return time.perf_counter() - began


def exact(subject: Subject) -> Iterator[tuple[str, float]]:
    """Seconds of patching, by site, and of all edges."""
    for site in SITES:
        began = time.perf_counter()
        subject.sweep(site, DIRECTION)
        yield site, time.perf_counter() - began
    began = time.perf_counter()
    edges_of(subject)
    yield "edges", time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10**6, help="a random choice; default all")
    parser.add_argument("--steps", type=int, default=5, help="of integrated gradients")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    subject = make_subject().first(options.pairs, seed=0)
    shape = subject.tower.shape
    of_edges = [
        Wanted([], receivers_named(names, shape), every_sender(shape), [role])
        for role, names in RECEIVERS.items()
    ]
    atp, ig = lines(options.steps).values()
    methods = [
        ("AtP", cells(atp), edges(atp)),
        ("AtP with the QK fix (q, k; edges into heads)", qk_fix, edges(atp, anew=True)),
        (f"integrated gradients, {options.steps} steps", cells(ig), edges(ig)),
    ]
    pairs = subject.candidates["pair_id"].nunique()
    print(f"{subject.sentences}: {len(subject.candidates)} items, {pairs} pairs; seconds\n")
    print("| | cells of resid, head, q, k | edges |\n|---|---|---|")
    patched = dict(exact(subject))
    print(f"| patching | {sum(patched[site] for site in SITES):.1f} | {patched['edges']:.1f} |")
    for name, of_cells, by_edge in methods:
        seconds = estimated(subject, of_cells, [Wanted(list(SITES), [], [], [])])
        print(f"| {name} | {seconds:.1f} | {estimated(subject, by_edge, of_edges):.1f} |")
    print("\nPatching by site: " + ", ".join(f"{k} {v:.1f}" for k, v in patched.items()))


if __name__ == "__main__":
    main()
