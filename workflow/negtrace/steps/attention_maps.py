"""Average selectivity and attention to the negator over items."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from negtrace.effects import attention_map, selectivity_map
from negtrace.steps.command import run
from negtrace.store import labelled, provenance, read_table, write_table


def step(options: Namespace) -> None:
    segments = read_table(options.segments)
    made = provenance(
        "attention_maps",
        inputs={name: getattr(options, name) for name in ("attention", "selectivity", "segments")},
    )
    by_head = selectivity_map(read_table(options.selectivity), segments)
    write_table(labelled(by_head, vars(options)), options.selectivity_map, "selectivity_map", made)
    by_role = attention_map(read_table(options.attention), segments)
    write_table(labelled(by_role, vars(options)), options.attention_map, "attention_map", made)


if __name__ == "__main__":
    run(
        step,
        __doc__,
        {
            "dataset": str,
            "model": str,
            "wording": str,
            "attention": Path,
            "selectivity": Path,
            "segments": Path,
            "selectivity_map": Path,
            "attention_map": Path,
        },
    )
