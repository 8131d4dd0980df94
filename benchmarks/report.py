"""The tidy table as a file, as Markdown, and as a figure."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import seaborn as sns
import torch
from matmul_rate import ORDINARY, PACKED

mpl.use("Agg")
import matplotlib.pyplot as plt

PACKAGES = ("negtrace", "torch", "open_clip_torch", "transformer-lens", "nnsight", "numpy")
KEYS = ["section", "method", "site", "parameter", "parameter_value", "quantity", "unit"]

WAYS = (ORDINARY, PACKED)

# Method, quantity, site, and the least ratio or share that the project aims at.
GOALS = (
    ("nnsight, batched invokes", "time per patch over engine's", "resid", 8.0),
    ("nnsight, batched invokes", "time per patch over engine's", "head", 6.0),
    ("TransformerLens, batched", "time per patch over engine's", "resid", 8.0),
    ("TransformerLens, batched", "time per patch over engine's", "head", 6.0),
    ("nnsight, batched invokes", "study time over engine's", "resid+head", 15.0),
    ("TransformerLens, batched", "study time over engine's", "resid+head", 15.0),
    ("engine", "share of the best product's rate", "resid", 0.8),
    ("engine", "share of the best product's rate", "head", 0.8),
)


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def machine() -> dict[str, str]:
    """What the numbers depend on besides the code."""
    facts = {
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": platform.system(),
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def tabulate(rows: list[dict]) -> pd.DataFrame:
    """All observations, and the median over repeats of each (`statistic` tells them apart)."""
    columns = [*KEYS, "repeat", "value", "note"]
    table = pd.DataFrame(rows).reindex(columns=columns)
    table["repeat"] = table["repeat"].astype("Int16")
    # A direction is part of what was timed; other notes vary with the repeat.
    repeated = table[table["repeat"].notna()]
    medians = repeated.groupby(KEYS, dropna=False, sort=False)["value"].median().reset_index()
    table = pd.concat(
        [table.assign(statistic="value"), medians.assign(statistic="median")], ignore_index=True
    )
    text = ["section", "method", "site", "parameter", "quantity", "unit", "note", "statistic"]
    table[text] = table[text].astype("string")
    return table.assign(**machine())


def lookup(table: pd.DataFrame, method: str, quantity: str, site: str, section: str) -> pd.Series:
    """All repeats of one quantity."""
    chosen = (
        (table["method"] == method)
        & (table["quantity"] == quantity)
        & (table["site"] == site)
        & (table["section"] == section)
        & (table["statistic"] == "value")
    )
    return table.loc[chosen, "value"]


def spread(values: pd.Series, digits: int = 3) -> str:
    """Median and range."""
    if values.empty:
        return "–"
    low, middle, high = values.min(), values.median(), values.max()
    return f"{middle:.{digits}g} ({low:.{digits}g}–{high:.{digits}g})"


def lines_of(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *rows])


def rates(table: pd.DataFrame, section: str) -> str:
    """Methods and sites: agreement, sample, rate, ratio."""
    rows = []
    of_section = table[(table["section"] == section) & ~table["method"].isin(WAYS)]
    for method in of_section["method"].drop_duplicates():
        for site in ("resid", "head"):

            def get(quantity: str, method: str = method, site: str = site) -> pd.Series:
                return lookup(table, method, quantity, site, section)

            notes = of_section.loc[
                (of_section["method"] == method)
                & (of_section["site"] == site)
                & of_section["note"].notna(),
                "note",
            ]
            if get("patch rate").empty:
                if not notes.empty:
                    rows.append([method, site, *["–"] * 4, notes.iloc[0]])
                continue
            difference = get("largest difference")
            rows.append(
                [
                    method,
                    site,
                    f"{get('sample').median():.0f}",
                    spread(get("patch rate")),
                    spread(get("time per patch over engine's")),
                    "–" if difference.empty else f"{difference.iloc[0]:.1e}",
                    "" if notes.empty else notes.iloc[0],
                ]
            )
    header = [
        "method",
        "site",
        "patches per repeat",
        "patches/s",
        "time per patch / engine's",
        "largest difference of scores",
        "note",
    ]
    return lines_of(header, rows)


def studies(table: pd.DataFrame) -> str:
    """The whole study, by method: as many times the engine's time."""
    ratio = "study time over engine's"
    methods = table.loc[table["quantity"] == ratio, "method"].drop_duplicates()
    rows = [[name, spread(lookup(table, name, ratio, "resid+head", "rate"))] for name in methods]
    return lines_of(["method", "study time / engine's"], rows)


def goals(table: pd.DataFrame) -> str:
    """Aim, measured, reached."""
    rows = []
    for method, quantity, site, least in GOALS:
        values = lookup(table, method, quantity, site, "rate")
        verdict = "unmeasured"
        if not values.empty:
            verdict = "reached" if values.median() >= least else "missed"
        rows.append([quantity, method, site, f"{least:g}", spread(values), verdict])
    return lines_of(["quantity", "method", "site", "at least", "median (range)", "verdict"], rows)


def arithmetic(table: pd.DataFrame, section: str) -> str:
    """Operations, rates and shares of the engine."""
    rows = []
    for site in ("resid", "head"):
        row = [site]
        for quantity in (
            "needed operations",
            "sweep time",
            "achieved rate",
            "share of F.linear's rate",
            "share of the best product's rate",
        ):
            row.append(spread(lookup(table, "engine", quantity, site, section)))
        rows.append(row)
    chosen = (table["section"] == section) & (table["quantity"] == "matrix-product rate")
    measured = table[chosen & (table["statistic"] == "value")].groupby("method", sort=False)
    rate = "; ".join(f"{way} {spread(values)}" for way, values in measured["value"])
    header = [
        *("site", "needed GFLOP", "seconds", "achieved GFLOP/s"),
        *("share of F.linear's rate", "share of the best product's rate"),
    ]
    return f"Measured matrix-product rates, GFLOP/s: {rate}.\n\n" + lines_of(header, rows)


def simple(table: pd.DataFrame, section: str) -> str:
    """Growth and memory."""
    chosen = table[(table["section"] == section) & (table["statistic"] == "value")]
    rows = [
        [str(parameter), f"{value:g}", str(quantity), spread(group["value"]), str(unit)]
        for (parameter, value, quantity, unit), group in chosen.groupby(
            ["parameter", "parameter_value", "quantity", "unit"], sort=False
        )
    ]
    return lines_of(["varied", "value", "quantity", "median (range)", "unit"], rows)


def markdown(table: pd.DataFrame, sentences: str, remarks: list[str]) -> str:
    """The whole report."""
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    parts = [
        "# Benchmark",
        f"{sentences}. Random weights, float32, site by site, direction `negate`. "
        "Medians over repeats, ranges in brackets; ratios are formed within a repeat.",
        f"Machine and versions: {facts}.",
        *remarks,
        "## Engine and peers",
        rates(table, "rate"),
        "## The whole study",
        studies(table),
        "## Goals",
        goals(table),
        "## Arithmetic",
        arithmetic(table, "rate"),
        "## Growth (site resid, synthetic pairs of 10 tokens)",
        simple(table, "growth"),
        "## Peak memory of a fresh process",
        simple(table, "memory"),
        "## GPU",
    ]
    sections = [s for s in table["section"].unique() if s.startswith("gpu ")]
    for section in sections:
        parts += [f"### {section}", rates(table, section), arithmetic(table, section)]
        totals = lookup(table, "engine", "study time, both directions", "all", section)
        if not totals.empty:
            parts.append(f"All sites, both directions: {spread(totals)} s.")
    if not sections:
        missing = table.loc[table["section"] == "gpu", "note"]
        parts.append("\n".join(f"- unmeasured: {note}" for note in missing))
    return "\n\n".join(parts) + "\n"


def mark_values(axis: plt.Axes, values: pd.Series) -> None:
    """Tick the measured values of a logarithmic axis."""
    ticks = sorted(values.unique())
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.xaxis.set_minor_locator(mpl.ticker.NullLocator())


def figure(table: pd.DataFrame, path: Path) -> None:
    """Rates by method, growth, and peak memory, as SVG and PNG."""
    sns.set_theme(style="whitegrid", context="paper")
    plt.rcParams["svg.hashsalt"] = "benchmark"  # the same table gives the same file
    values = table[table["statistic"] == "value"]
    fig, axes = plt.subplots(1, 5, figsize=(18, 3.6), width_ratios=[2.2, 1, 1, 1, 1])
    rate = values[(values["section"] == "rate") & (values["quantity"] == "patch rate")]
    sns.stripplot(
        rate.astype({"method": str, "site": str}),
        x="value",
        y="method",
        hue="site",
        dodge=True,
        ax=axes[0],
    )
    axes[0].set(xscale="log", xlabel="patches per second", ylabel="")
    grown = values[values["section"] == "growth"].astype({"parameter": str})
    for axis, parameter in zip(axes[1:4], ("pairs", "layers", "width"), strict=True):
        data = grown[grown["parameter"] == parameter]
        if not data.empty:
            sns.lineplot(
                data,
                x="parameter_value",
                y="value",
                marker="o",
                estimator="median",
                errorbar=("pi", 100),
                ax=axis,
            )
            axis.set(xscale="log", yscale="log")
            mark_values(axis, data["parameter_value"])
        axis.set(xlabel=parameter, ylabel="seconds")
    memory = values[values["section"] == "memory"].astype({"quantity": str})
    if not memory.empty:
        sns.lineplot(memory, x="parameter_value", y="value", hue="quantity", marker="o", ax=axes[4])
        axes[4].set(xscale="log", ylim=(0, None))
        mark_values(axes[4], memory["parameter_value"])
        axes[4].legend(title=None, fontsize="x-small")
    axes[4].set(xlabel="pairs", ylabel="MiB")
    fig.tight_layout()
    for ending, metadata in (("svg", {"Date": None}), ("png", {})):
        fig.savefig(path.with_suffix(f".{ending}"), dpi=150, metadata=metadata)
    plt.close(fig)


def write(table: pd.DataFrame, folder: Path, sentences: str, remarks: list[str]) -> None:
    """All files of a benchmark."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "bench.parquet", index=False)
    (folder / "bench.md").write_text(markdown(table, sentences, remarks))
    figure(table, folder / "bench")
