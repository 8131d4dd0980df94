"""Read a dataset's items from a file in VALSE's format or a table."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from negtrace.steps.command import run
from negtrace.store import provenance, write_table
from negtrace.user_table import read_user_table
from negtrace.valse import read_valse


def step(options: Namespace) -> None:
    columns = json.loads(options.columns)
    if options.kind == "table":
        items = read_user_table(
            options.source, columns, options.separator or None, options.encoding or None
        )
    else:
        items = read_valse(options.source)
    made = provenance(
        "items",
        inputs={"annotations": options.source},
        params={
            "columns": columns,
            "separator": options.separator,
            "encoding": options.encoding,
        },
    )
    write_table(items, options.items, "items", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "kind": str,
            "source": Path,
            "columns": str,
            "separator": str,
            "encoding": str,
            "items": Path,
        },
    )
