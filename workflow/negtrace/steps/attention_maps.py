"""Average selectivity and attention to the negator over items."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.effects import attention_map, selectivity_map
from negtrace.steps.command import run
from negtrace.steps.options import OF_RUN, tables_of
from negtrace.store import labelled, provenance, write_table

TABLES = ("attention", "selectivity", "segments")


def step(options: Namespace) -> None:
    tables = tables_of(options, TABLES)
    made = provenance("attention_maps", tables=tables.sources)
    by_head = selectivity_map(tables["selectivity"], tables["segments"])
    write_table(labelled(by_head, vars(options)), options.selectivity_map, "selectivity_map", made)
    by_role = attention_map(tables["attention"], tables["segments"])
    write_table(labelled(by_role, vars(options)), options.attention_map, "attention_map", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            **OF_RUN,
            **dict.fromkeys(TABLES, Path),
            "selectivity_map": Path,
            "attention_map": Path,
        },
    )
