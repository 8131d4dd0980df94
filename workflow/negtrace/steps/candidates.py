"""Read annotations and make the minimal pairs of one wording."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.errors import InputError
from negtrace.pairs import candidates, read_valse
from negtrace.steps.command import run
from negtrace.store import provenance, write_table


def step(options: Namespace) -> None:
    accepted, rejected = candidates(read_valse(options.annotations), options.wording)
    if accepted.empty:
        raise InputError(
            f"{options.annotations}: none of its items is a minimal pair in the wording "
            f"{options.wording}; first reason: {rejected['reason'].iloc[0]}"
        )
    made = provenance(
        "candidates",
        inputs={"annotations": options.annotations},
        params={"wording": options.wording},
    )
    write_table(rejected, options.rejected, "excluded", made)
    write_table(accepted, options.candidates, "candidates", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {"annotations": Path, "wording": str, "candidates": Path, "rejected": Path},
    )
