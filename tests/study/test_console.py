"""What a run says on the screen: a plan, a line for each job, nothing that nobody needs."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.common import LogEvent

from negtrace.study.console import HANDLER, Console, install, plan, reasons_of

TABLE = "Job stats:\njob       count\n------  -------\nsweep         2\ntotal         2\n"
STATS = {"sweep": 2, "total": 2}


@pytest.fixture
def screen(tmp_path) -> tuple[logging.Logger, io.StringIO]:
    """Snakemake's own handler, writing into a string, behind a console."""
    stream = io.StringIO()
    handler = ColorizingTextHandler(
        nocolor=True,
        stream=stream,
        formatter=DefaultFormatter(),
        filter=DefaultFilter(None, False, False, False, False),
    )
    handler.addFilter(Console(handler, lambda: {"other settings or code": {"sweep"}}, tmp_path))
    logger = logging.Logger("test", logging.INFO)
    logger.addHandler(handler)
    return logger, stream


def job(logger: logging.Logger, rule: str, **wildcards: str) -> None:
    logger.info(
        f"Rule: {rule}",
        extra={"event": LogEvent.JOB_INFO, "rule_name": rule, "wildcards": wildcards},
    )


def test_a_run_is_its_plan_and_a_line_for_each_job(screen):
    logger, stream = screen
    logger.info("Building DAG of jobs...")
    logger.info(TABLE, extra={"event": LogEvent.RUN_INFO, "stats": STATS})
    logger.info("Select jobs to execute...")
    job(logger, "sweep", dataset="a", model="100%s")
    logger.info("Finished jobid: 1", extra={"event": LogEvent.JOB_FINISHED, "job_id": 1})
    logger.info(None, extra={"event": LogEvent.PROGRESS, "done": 1, "total": 2})
    job(logger, "sweep", dataset="b", model="m")
    assert stream.getvalue() == (
        f"{TABLE}other settings or code: sweep\n\n[1/2] sweep, a, 100%s\n[2/2] sweep, b, m\n"
    )


def test_warnings_errors_and_what_is_not_known_are_said(screen):
    logger, stream = screen
    logger.warning("Select jobs with care")
    logger.info("Nothing to be done.")
    logger.error("Exiting because a job execution failed.")
    logger.error(
        None,
        extra={"event": LogEvent.JOB_ERROR, "rule_name": "sweep", "log": ["results/logs/a.log"]},
    )
    assert stream.getvalue().splitlines() == [
        "Select jobs with care",
        "Nothing to be done.",
        "Exiting because a job execution failed.",
        "failed: sweep (results/logs/a.log)",
    ]


def test_how_long_is_told_from_earlier_jobs_of_the_rules(tmp_path):
    assert "about" not in plan(TABLE, STATS, {}, tmp_path)
    for name, seconds in (("sweep.a", 100), ("sweep.b", 200), ("sweeper.a", 5)):
        (tmp_path / f"{name}.tsv").write_text(f"s\th:m:s\n{seconds}\t0:00:00\n")
    (tmp_path / "sweep.c.tsv").write_text("cut")
    assert "about 5 min of computing" in plan(TABLE, STATS, {}, tmp_path)
    more = {"sweep": 50, "figures": 3, "total": 53}
    assert plan(TABLE, more, {}, tmp_path).splitlines()[-1] == (
        "about 2 h 5 min of computing, as such jobs took before"
    )
    few = {"sweep": 2, "figures": 3, "total": 5}
    assert "about" not in plan(TABLE, few, {}, tmp_path)


class Dag:
    """A job of every rule, with the reason that it is run for."""

    def __init__(self, **reasons: str) -> None:
        self.reasons = reasons

    def needrun_jobs(self):
        return [SimpleNamespace(rule=SimpleNamespace(name=rule)) for rule in self.reasons]

    def reason(self, job):
        return SimpleNamespace(**{self.reasons[job.rule.name]: ["results/a.parquet"]})


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        ({"a": "missing_output", "b": "updated_input_run"}, {}),
        (
            {"a": "params_changed", "b": "missing_output", "c": "updated_input_run"},
            {"other settings or code": {"a"}, "not there yet": {"b"}},
        ),
    ],
)
def test_why_is_said_where_it_is_not_the_first_run(reasons, said):
    assert reasons_of(Dag(**reasons)) == said


@pytest.mark.parametrize("wanted", ["verbose", "printshellcmds", "debug_dag", "quiet"])
def test_who_asks_for_more_or_less_gets_it(wanted):
    logger = logging.Logger("test")
    logger.addHandler(handler := logging.StreamHandler(io.StringIO()))
    handler.name = HANDLER
    settings = dict.fromkeys(("verbose", "printshellcmds", "debug_dag", "quiet"), False)
    quiet = SimpleNamespace(output_settings=SimpleNamespace(**settings | {wanted: True}))
    assert not install(logger, quiet, Path())
    assert not handler.filters
    assert install(logger, SimpleNamespace(output_settings=SimpleNamespace(**settings)), Path())
    assert len(handler.filters) == 1
