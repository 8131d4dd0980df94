"""Make the minimal pairs of one wording."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.errors import InputError
from negtrace.pairs import candidates
from negtrace.steps.command import run
from negtrace.steps.options import tables_of
from negtrace.store import provenance, write_table


def step(options: Namespace) -> None:
    tables = tables_of(options, ["items"])
    accepted, rejected = candidates(tables["items"], options.wording)
    if accepted.empty:
        raise InputError(
            f"{options.items}: none of its items is a minimal pair in the wording "
            f"{options.wording}; first reason: {rejected['reason'].iloc[0]}"
        )
    source = tables.sources["items"].provenance["inputs"]
    made = provenance(
        "candidates",
        tables=tables.sources,
        params={"wording": options.wording, "source": source},
    )
    write_table(rejected, options.rejected, "excluded", made)
    write_table(accepted, options.candidates, "candidates", made)


if __name__ == "__main__":
    run(step, __doc__, {"items": Path, "wording": str, "candidates": Path, "rejected": Path})
