"""What larger studies cost, on paper: ``python benchmarks/scale.py`` writes docs/scale.md.

Operations are counted as in `flops.py`; hours are operations over a rate.  The CPU's rate is that
of the benchmark (docs/bench); the GPU's is assumed, and said to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from flops import cell_flops, run_flops

from negtrace.models.tower_shape import TowerShape
from negtrace.patching.forward_passes import run_bytes
from negtrace.tables.store import write_text
from negtrace.vocabulary import SITES

ROOT = Path(__file__).parents[1]
BENCH, OUTPUT = ROOT / "docs" / "bench" / "bench.parquet", ROOT / "docs" / "scale.md"


def tower(width: int, heads: int, layers: int) -> TowerShape:
    return TowerShape(width, heads, layers, 4 * width, 77, 49408, width)


TOWERS = {
    "ViT-B": tower(512, 8, 12),
    "ViT-L": tower(768, 12, 12),
    "ViT-H": tower(1024, 16, 24),
    "ViT-bigG": tower(1280, 20, 32),
}
GRID = ("resid", "attn_out", "mlp_out")  # a cell is a position; of the others, a head
PAPER = ("resid", "head")
VALSE, NEGBENCH = (284, 9, 6), (79_000, 16, 8)  # pairs, tokens, tokens from the first difference
SETS = 234  # of an ablation with 100 random draws of each kind and 5 heads
MODELS = {"ViT-B": 25, "ViT-L": 15, "ViT-H": 8, "ViT-bigG": 2}
GPU_RATE = 20e12  # assumed: a third of the 60 TFLOP/s that large GPUs have in float32
CLUSTER = 32  # GPUs


def sweep_operations(shape: TowerShape, sites: Sequence[str], tokens: int, changed: int) -> int:
    """One pair, one direction: its two runs for every site, and every cell.

    No row is shared with other pairs here, so real studies need less.
    """
    total = 0
    for site in sites:
        layers = range(shape.layers) if site == "resid" else range(1, shape.layers + 1)
        if site in GRID:
            cells = [(layer, rows) for layer in layers for rows in range(1, changed + 1)]
        else:
            cells = [(layer, changed) for layer in layers for _ in range(shape.heads)]
        total += sum(cell_flops(shape, site, layer, rows, tokens) for layer, rows in cells)
        total += 2 * run_flops(shape, tokens, tokens)
    return total


def study(shape: TowerShape, sites: Sequence[str], pairs: int, tokens: int, changed: int) -> int:
    """All pairs in both directions."""
    return 2 * pairs * sweep_operations(shape, sites, tokens, changed)


def ablation(shape: TowerShape, pairs: int, tokens: int) -> int:
    """Every set in both sentences of half of the pairs."""
    return SETS * pairs * run_flops(shape, tokens, tokens)


def measured_rate() -> float:
    """Operations per second of the engine on the benchmark's CPU, the slower of both sites."""
    table = pd.read_parquet(BENCH)
    rows = table[(table["quantity"] == "achieved rate") & (table["statistic"] == "median")]
    return 1e9 * float(rows["value"].min())


def hours(operations: float, rate: float) -> str:
    spent = operations / rate / 3600
    return (
        f"{60 * spent:.2g} min"
        if spent < 1
        else f"{spent:,.0f} h"
        if spent > 9.5
        else f"{spent:.1f} h"
    )


def lines(header: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    every = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in every)


def text() -> str:
    rate = measured_rate()
    base = TOWERS["ViT-B"]
    growth = [
        [what, *(f"{study(shape, [s], *size) / study(base, [s], *VALSE):.2g}×" for s in PAPER)]
        for what, shape, size in (
            ("twice the pairs", base, (568, 9, 6)),
            ("twice the tokens behind the difference", base, (284, 15, 12)),
            ("twice the tokens before it", base, (284, 12, 6)),
            ("twice the layers", tower(512, 8, 24), VALSE),
            ("twice the width, and heads", tower(1024, 16, 12), VALSE),
        )
    ]
    sites = [[f"`{s}`", f"{study(base, [s], *VALSE) / 1e12:.3g}"] for s in SITES]
    sites.append(["ablation", f"{ablation(base, VALSE[0], VALSE[1]) / 1e12:.3g}"])
    towers = []
    for name, shape in TOWERS.items():
        valse, negbench = (study(shape, PAPER, *size) for size in (VALSE, NEGBENCH))
        towers.append(
            [
                name,
                f"{valse / 1e12:.3g}",
                hours(valse, rate),
                f"{negbench / 1e15:.3g}",
                hours(negbench, rate),
                hours(negbench, GPU_RATE),
                f"{2 * run_bytes(shape, 16, 4) / 2**20:.0f} MiB",
            ]
        )
    zoo = sum(n * study(TOWERS[name], PAPER, *NEGBENCH) for name, n in MODELS.items())
    header = [
        *("tower", "VALSE, TFLOP", "2 cores", "NegBench, PFLOP", "2 cores"),
        *("a GPU (estimate)", "memory of a pair's runs"),
    ]
    return TEXT.format(
        rate=rate / 1e9,
        gpu=GPU_RATE / 1e12,
        growth=lines(["beside VALSE on ViT-B", *(f"`{s}`" for s in PAPER)], iter(growth)),
        sites=lines(["site", "TFLOP"], iter(sites)),
        towers=lines(header, iter(towers)),
        models=", ".join(f"{n} × {name}" for name, n in MODELS.items()),
        zoo=zoo / 1e18,
        one=zoo / GPU_RATE / 3600,
        cluster=CLUSTER,
        many=zoo / GPU_RATE / CLUSTER / 3600,
        cores=zoo / rate / 86400,
        sets=SETS,
    )


TEXT = """\
# Scale

Written by `python benchmarks/scale.py`. What a study costs, on paper: floating-point operations of
the exact algorithm ([how they are counted](../benchmarks/README.md)), without what pairs have in
common, so that real studies need less; and hours at a rate.

- **2 cores**: {rate:.0f} GFLOP/s, which the [benchmark](bench/bench.md) measured (AVX-512).
- **A GPU: an estimate.** Nothing has been measured on one. {gpu:.0f} TFLOP/s is assumed, a third of
  what a large GPU has in float32.

With P pairs, n tokens of which the last m follow the first difference, L layers, width w and w / 64
heads, a site whose cells are positions needs about 6 P m² L² w² operations in one direction, a site
of heads about P m L² w³ / 5, an ablation of S sets in half of the pairs 24 S P n L w². Images cost
nothing: they enter by a dot product.

{growth}

Both directions of a site over VALSE's rephrased pairs (284 of about 9 tokens, 6 of them changed),
and an ablation with {sets} sets, on ViT-B:

{sites}

The paper's sites, `resid` and `head`, both directions; NegBench as 79,000 pairs of 16 tokens, 8 of
them changed, each row a pair of its own:

{towers}

**NegBench for 50 models** ({models}) is
{zoo:.2g} × 10¹⁸ operations: {one:.0f} hours on one such GPU, {many:.1f} on {cluster}
(`compute.shards` divides a model's pairs among jobs), and {cores:.0f} days on 2 cores. A random
tenth of the pairs costs a tenth, and widens intervals by a factor of about 3.

**Memory** does not grow with pairs: `compute.memory_gb` is a budget for activations, beside the
weights (4 bytes a parameter of the text tower) and about 1 GB for torch. It must hold the runs of
one pair (last column) and the patched states of one sentence; more of it makes larger batches, not
more work. Tables do grow: they have a row per item and cell.
"""


if __name__ == "__main__":
    write_text(text(), OUTPUT)
