"""The console of a run: what is planned, a line for each job, and no more.

Snakemake's own log under ``.snakemake/log`` keeps everything, and so does the console with
``--printshellcmds`` or ``--verbose``.  Imported when Snakemake builds the job graph: standard
library only.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HANDLER = "DefaultStreamHandler"  # Snakemake's name of its own

# Attributes of Snakemake's reasons, in words.
REASONS = {
    "missing_output": "not there yet",
    "incomplete_output": "left half-done",
    "params_changed": "other settings or code",
    "code_changed": "another rule",
    "input_changed": "other inputs",
    "updated_input": "newer inputs",
    "forced": "asked for",
}
# Events that a line for each job, or the plan, says better or that nobody needs.
UNSAID = (
    *("workflow_started", "job_started", "job_finished", "progress", "resources_info", "shellcmd"),
)
UNSAID_WORDS = (
    *("Assuming unrestricted", "Building DAG", "Conda environments: ignored", "Execute "),
    *("Select jobs", "Singularity containers: ignored", "Using shell", "host: "),
)
MOST_TIMES = 20  # earlier jobs of a rule that its time is the mean of


class Console:
    """A filter for Snakemake's handler of the screen, which says things in fewer words.

    Args:
        handler: the handler.
        reasons: what every job is run for, by rule (see `reasons_of`).
        benchmarks: folder of the times of earlier jobs.
    """

    def __init__(
        self,
        handler: logging.Handler,
        reasons: Callable[[], Mapping[str, set[str]]],
        benchmarks: Path,
    ) -> None:
        self.handler, self.reasons, self.benchmarks = handler, reasons, benchmarks
        self.started = self.total = 0

    def __call__(self, record: logging.LogRecord) -> bool:
        """Whether a record goes to the screen as it is; else it is said here, or not at all."""
        if record.levelno >= logging.WARNING and _event(record) != "job_error":
            return True
        said = self.said(record)
        if said:
            self.handler.handle(
                logging.LogRecord(record.name, record.levelno, "", 0, said, (), None)
            )
        return said is None

    def said(self, record: Any) -> str | None:
        """A record in fewer words, empty for nothing; None for the record itself."""
        match _event(record):
            case "run_info" if self.total:
                return ""
            case "run_info":
                self.total = record.stats["total"]
                return plan(record.getMessage(), record.stats, self.reasons(), self.benchmarks)
            case "job_info":
                self.started += 1
                job = ", ".join([record.rule_name, *map(str, record.wildcards.values())])
                return f"[{self.started:{len(str(self.total))}}/{self.total}] {job}"
            case "job_error":
                return f"failed: {record.rule_name} ({', '.join(record.log)})"
            case event if event in UNSAID:
                return ""
        return "" if str(record.msg).startswith(UNSAID_WORDS) else None


def install(logger: logging.Logger, workflow: Any, benchmarks: Path) -> bool:
    """Put a `Console` before Snakemake's handler, unless somebody wants to know more or less.

    Early versions 9 of Snakemake keep their handler to themselves, and speak as ever.

    Returns:
        whether it is there.
    """
    settings = workflow.output_settings
    if settings.verbose or settings.printshellcmds or settings.debug_dag or settings.quiet:
        return False
    for handler in logger.handlers:
        if handler.name == HANDLER:
            handler.addFilter(Console(handler, lambda: reasons_of(workflow.dag), benchmarks))
            return True
    return False


def reasons_of(dag: Any) -> dict[str, set[str]]:
    """Rules to run, by why; without those that only follow others, or have never run."""
    found: dict[str, set[str]] = {}
    for job in dag.needrun_jobs():
        reason = dag.reason(job)
        for name, words in REASONS.items():
            if getattr(reason, name, None):
                found.setdefault(words, set()).add(job.rule.name)
                break
    return {} if set(found) == {REASONS["missing_output"]} else found


def plan(
    table: str, jobs: Mapping[str, int], reasons: Mapping[str, set[str]], benchmarks: Path
) -> str:
    """What is going to run, why, and how long that took before.

    Args:
        table: jobs by rule, as Snakemake prints them.
        jobs: the same as numbers, with their total.
        reasons: see `reasons_of`.
    """
    lines = [table.rstrip()]
    lines += [f"{words}: {', '.join(sorted(rules))}" for words, rules in sorted(reasons.items())]
    known = {rule: seconds for rule in jobs if (seconds := _seconds(rule, benchmarks))}
    counted = sum(jobs[rule] for rule in known)
    if counted > jobs["total"] / 2:  # else it says nothing
        together = _duration(sum(jobs[rule] * seconds for rule, seconds in known.items()))
        lines.append(f"about {together} of computing, as such jobs took before")
    return "\n".join(lines) + "\n"


def _seconds(rule: str, benchmarks: Path) -> float | None:
    """Mean time of earlier jobs of a rule."""
    times = []
    for path in sorted(benchmarks.glob(f"{rule}.*tsv"))[:MOST_TIMES]:
        try:
            with open(path, encoding="utf-8") as file:
                times += [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")]
        except (OSError, KeyError, ValueError):
            continue
    return sum(times) / len(times) if times else None


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = {"h": hours, "min": minutes, "s": seconds if not hours else 0}
    return " ".join(f"{n} {unit}" for unit, n in parts.items() if n) or "1 s"


def _event(record: logging.LogRecord) -> str:
    """Name of the event of Snakemake's that a record is about, or nothing."""
    return str(getattr(getattr(record, "event", None), "name", "")).lower()
