"""The end of a run that failed: each job with its cause, wherever that was said."""

from __future__ import annotations

import pytest

from negtrace.study.last_words import last_words

RAN_WELL = "scores.parquet: 24 rows\nruns: 0.8 s\n"
FULL = "OSError: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    ("of_job", "of_snakemake", "wanted"),
    [
        ("a\nerror: no such model\nb\n", "", "error: no such model"),
        ("error: no such model\n", FULL, "error: no such model"),
        (RAN_WELL, "", "runs: 0.8 s"),
        (RAN_WELL, FULL, "is full; free some space and run again"),
        ("", "", "error: ended without a word"),
    ],
)
def test_the_cause_is_what_the_job_said_or_what_snakemake_met(
    tmp_path, of_job, of_snakemake, wanted
):
    log = tmp_path / "runs.log"
    log.write_text(of_job)
    whole = tmp_path / "snakemake.log"
    whole.write_text(f"{of_snakemake}Error in rule runs:\n    jobid: 3\n    log: {log}\n")
    said = last_words([whole, tmp_path / "gone.log"])
    assert said[0] == f"runs failed ({log}):"
    assert wanted in said[-1]
