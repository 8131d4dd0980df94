"""Facts of the run: what reproduces it, when it was computed, and how long its jobs took."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from negtrace import __version__
from negtrace.report.section import Section


def of_run(sections: Sequence[Section]) -> dict[str, str]:
    """What stands at the top of the report, by name; what is not known is left out."""
    facts = {
        "Command": "snakemake --configfile config.yaml",
        "negtrace": __version__,
        "Commit": commit(),
        "Versions": ", ".join(
            f"{name} {value}" for name, value in sections[0].provenance.get("versions", {}).items()
        ),
        "Computed": _date([path for section in sections for path in section.tables]),
        "Computing time": _time(sections),
    }
    for section in sections:
        weights = section.identity.get("weights_sha256")
        if weights:
            facts[f"Weights of {section.model}"] = f"sha256 {weights}"
    return {name: fact for name, fact in facts.items() if fact}


def commit(folder: Path = Path(__file__).parent) -> str:
    """The commit of the checkout that this file is in, and whether it was changed since."""
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


def seconds_of(results: Path, dataset: str, model: str, wording: str) -> float | None:
    """What the jobs of a run took together; None where nothing is recorded."""
    run = f".{dataset}.{model}.{wording}"
    files = [
        path
        for path in (results / "benchmarks").glob("*.tsv")
        if f"{path.stem}.".partition(f"{run}.")[1]
    ]
    taken = [pd.read_csv(path, sep="\t")["s"].sum() for path in files]
    return float(sum(taken)) if taken else None


def _date(tables: Sequence[Path]) -> str:
    times = [path.stat().st_mtime for path in tables if path.is_file()]
    return f"{datetime.fromtimestamp(max(times), UTC):%-d %B %Y}" if times else ""


def _time(sections: Sequence[Section]) -> str:
    taken = [section.seconds for section in sections if section.seconds is not None]
    if not taken:
        return ""
    minutes, seconds = divmod(round(sum(taken)), 60)
    return f"{minutes} min {seconds} s, all jobs of the runs together"
