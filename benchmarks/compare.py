"""Engine against peers: first the same numbers, then interleaved timings.

Each repeat measures the engine, with the matrix-product rate before and after it, and every peer
one after the other, so that a machine that speeds up or slows down does so for all; ratios are
formed within a repeat.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from flops import sweep_flops
from matmul_rate import ORDINARY, MatmulRate, matmul_rates, synchronize
from peers import SITES, Cell, Peer, Request, grid_patches
from subject import Subject, computed_cells

from negtrace.patching.sentences import Sentence
from negtrace.vocabulary import BASE_OF, SOURCE_OF

DIRECTION = "negate"
TOLERANCE = 1e-3  # of scores, in float32; they are of the order of 1 to 10
Row = dict[str, Any]


def row(section: str, quantity: str, value: float, unit: str, **keys: Any) -> Row:
    """One observation of the tidy table."""
    return {"section": section, "quantity": quantity, "value": value, "unit": unit, **keys}


class Swept(NamedTuple):
    """The engine's sweep of one site over the benchmarked pairs."""

    seconds: float
    cells: pd.DataFrame  # `computed_cells`


def run_engine(subject: Subject, site: str, memory_gb: float) -> Swept:
    """Sweep and time; tabulating the result is part of the time."""
    device = subject.tower.device.type
    synchronize(device)
    began = time.perf_counter()
    table = subject.sweep(site, DIRECTION, memory_gb)
    synchronize(device)
    return Swept(time.perf_counter() - began, computed_cells(subject, table, DIRECTION))


def needed_flops(subject: Subject, site: str, cells: pd.DataFrame) -> int:
    """Operations of the benchmarked sweep (`flops.py`)."""
    sentences = [
        pair.sentence(of[DIRECTION]).tokens for pair in subject.pairs for of in (BASE_OF, SOURCE_OF)
    ]
    counted = cells[["layer", "rows", "length"]].astype(int).itertuples(index=False, name=None)
    return sweep_flops(subject.tower.shape, site, counted, sentences)


def comparable(base: Sentence, source: Sentence) -> bool:
    """Whether every token stands in the same place in both sentences, as the peers require."""
    return base.counterparts == tuple(range(len(source.tokens)))


def draw_requests(
    subject: Subject, cells: pd.DataFrame, rng: np.random.Generator, items: int
) -> tuple[list[Request], list[np.ndarray]]:
    """A random sample of items of one random length with all their cells; and the engine's scores.

    Lengths are drawn in proportion to their items, so that peers that batch equal lengths can.
    """
    pairs = {pair.pair_id: pair for pair in subject.pairs}
    lengths = {
        name: len(pair.affirmative.tokens)
        for name, pair in pairs.items()
        if comparable(pair.sentence(BASE_OF[DIRECTION]), pair.sentence(SOURCE_OF[DIRECTION]))
    }
    cells = cells[cells["pair_id"].isin(list(lengths))]
    groups = {str(item): group for item, group in cells.groupby("item_id", observed=True)}
    names = np.array(sorted(groups))
    of_item = np.array([lengths[groups[name]["pair_id"].iloc[0]] for name in names])
    names = names[of_item == rng.choice(of_item)]
    files = subject.candidates.set_index("item_id")["image_file"]
    images = subject.images.set_index("image_file")["embedding"]
    requests, expected = [], []
    for name in rng.choice(names, min(items, len(names)), replace=False):
        group = groups[name]
        chosen = tuple(
            Cell(int(layer), *(None if pd.isna(x) else int(x) for x in (head, position)))
            for layer, head, position in zip(
                group["layer"], group["head"], group["position"], strict=True
            )
        )
        pair = pairs[group["pair_id"].iloc[0]]
        requests.append(Request(name, pair, images[files[name]], chosen))
        expected.append(group["s_patched"].to_numpy())
    return requests, expected


class Check(NamedTuple):
    """Agreement of a peer with the engine."""

    cells: int
    max_difference: float  # of scores
    largest_effect: float  # |S_patched - S_base|, so that agreement is not that of zeros

    @property
    def passed(self) -> bool:
        return self.max_difference < TOLERANCE < self.largest_effect / 10


def check(subject: Subject, peer: Peer, site: str, cells: pd.DataFrame, seed: int) -> Check:
    """Compare a peer's scores with the engine's on a random sample."""
    rng = np.random.default_rng(seed)
    items = min(4, peer.items_at_once)
    requests, expected = draw_requests(subject, cells, rng, items)
    found = peer.patched_scores(site, DIRECTION, requests).scores
    base = subject.scores.set_index("item_id")[f"s_{BASE_OF[DIRECTION]}"]
    return Check(
        sum(map(len, expected)),
        max(np.abs(f - e).max() for f, e in zip(found, expected, strict=True)),
        max(np.abs(e - base[r.item_id]).max() for r, e in zip(requests, expected, strict=True)),
    )


def time_peer(
    subject: Subject, peer: Peer, site: str, cells: pd.DataFrame, seed: int, items: int
) -> tuple[float, int]:
    """Seconds and patches of one sample."""
    rng = np.random.default_rng(seed)
    requests, _ = draw_requests(subject, cells, rng, items)
    device = subject.tower.device.type
    synchronize(device)
    began = time.perf_counter()
    patches = peer.patched_scores(site, DIRECTION, requests).patches
    synchronize(device)
    return time.perf_counter() - began, patches


def compare(
    subject: Subject,
    peers: Sequence[type[Peer]],
    repeats: int,
    seed: int,
    items: int,
    memory_gb: float,
    progress: Any,
    section: str = "rate",
) -> Iterator[Row]:
    """Check, then time; yields rows of the tidy table.

    Args:
        items: most items per timed sample of a peer that batches items.
        progress: a bar; updated once per check and timing.
    """
    device = subject.tower.device.type
    built: list[Peer] = []
    for kind in peers:
        reason = kind.missing()
        if reason is None and device not in kind.devices:
            reason = f"does not run on {device}"
        if reason is None:
            built.append(kind(subject))
        else:
            progress.write(f"{kind.name}: {reason}")
            for site in SITES:
                yield row(
                    section, "unmeasured", np.nan, "", method=kind.name, site=site, note=reason
                )
    ready: dict[str, list[Peer]] = {}
    for site in SITES:
        progress.set_description(f"check {site}")
        cells = run_engine(subject, site, memory_gb).cells
        ready[site] = []
        for peer in built:
            found = check(subject, peer, site, cells, seed)
            keys = {"method": peer.name, "site": site}
            note = "same numbers" if found.passed else "DIFFERENT NUMBERS, not timed"
            yield row(section, "checked cells", found.cells, "cells", note=note, **keys)
            yield row(section, "largest difference", found.max_difference, "score", **keys)
            yield row(section, "largest effect", found.largest_effect, "score", **keys)
            if found.passed:
                ready[site].append(peer)
            progress.update()
    for repeat in range(repeats):
        study: dict[str, float] = {}
        per_patch: dict[str, float] = {}
        for site in SITES:
            progress.set_description(f"repeat {repeat + 1} {site}")
            before = matmul_rates(subject.tower.shape, device)
            swept = run_engine(subject, site, memory_gb)
            after = matmul_rates(subject.tower.shape, device)
            # The better of the two: a machine that was busy meanwhile flatters nobody.
            rates = {way: max(rate, after[way]) for way, rate in before.items()}
            progress.update()
            yield from rate_rows(rates, section, site=site, repeat=repeat)
            yield from engine_rows(subject, site, swept, rates, section, repeat)
            per_patch["engine"] = swept.seconds / len(swept.cells)
            study["engine"] = study.get("engine", 0) + swept.seconds
            for peer in ready[site]:
                count = min(items, peer.items_at_once)
                # Repeats see different samples; which ones follows from the seed.
                sample = seed + 1000 * (repeat + 1)
                seconds, patches = time_peer(subject, peer, site, swept.cells, sample, count)
                progress.update()
                keys = {"method": peer.name, "site": site, "repeat": repeat}
                yield row(section, "sample", patches, "patches", **keys)
                yield row(section, "patch rate", patches / seconds, "patches/s", **keys)
                ratio = seconds / patches / per_patch["engine"]
                yield row(section, "time per patch over engine's", ratio, "ratio", **keys)
                total = study_patches(subject, site) * seconds / patches
                study[peer.name] = study.get(peer.name, 0) + total
        for name, seconds in study.items():
            keys = {"method": name, "site": "+".join(SITES), "repeat": repeat}
            yield row(section, "study time", seconds, "s", **keys)
            if name != "engine":
                ratio = seconds / study["engine"]
                yield row(section, "study time over engine's", ratio, "ratio", **keys)


def study_patches(subject: Subject, site: str) -> int:
    """Patches that a grid sweep over every item makes: it knows neither pairs nor known cells."""
    lengths = {p.pair_id: len(p.sentence(BASE_OF[DIRECTION]).tokens) for p in subject.pairs}
    shape = subject.tower.shape
    return sum(grid_patches(shape, site, lengths[pair]) for pair in subject.candidates["pair_id"])


def rate_rows(rates: dict[str, MatmulRate], section: str, **keys: Any) -> Iterator[Row]:
    """The yardsticks."""
    for way, rate in rates.items():
        size = f"{rate.rows} x {rate.inputs} x {rate.outputs}"
        yield row(
            section, "matrix-product rate", rate.gflops, "GFLOP/s", method=way, note=size, **keys
        )


def engine_rows(
    subject: Subject,
    site: str,
    swept: Swept,
    rates: dict[str, MatmulRate],
    section: str,
    repeat: int,
) -> Iterator[Row]:
    """Rate of the engine, and its share of the matrix-product rates of the same repeat."""
    keys = {"method": "engine", "site": site, "repeat": repeat}
    flops = needed_flops(subject, site, swept.cells)
    patches = len(swept.cells)
    yield row(section, "sample", patches, "patches", **keys)
    yield row(section, "patch rate", patches / swept.seconds, "patches/s", **keys)
    yield row(section, "sweep time", swept.seconds, "s", **keys)
    yield row(section, "needed operations", 1e-9 * flops, "GFLOP", **keys)
    achieved = 1e-9 * flops / swept.seconds
    yield row(section, "achieved rate", achieved, "GFLOP/s", **keys)
    ordinary, best = rates[ORDINARY], max(rates.values())
    yield row(section, "share of F.linear's rate", achieved / ordinary.gflops, "share", **keys)
    yield row(section, "share of the best product's rate", achieved / best.gflops, "share", **keys)
