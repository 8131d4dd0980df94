"""Options that many steps have, and the tables that they name."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable

from negtrace.lineage import Tables, read_tables
from negtrace.store import LABELS

OF_RUN = {"dataset": str, "model": str, "wording": str}


def tables_of(options: Namespace, names: Iterable[str], **labels: str) -> Tables:
    """The tables that options of these names point to, without the columns that label them.

    They have to be of the dataset, model and wording that `labels` or else the options name.

    Raises:
        InputError: see `lineage.read_tables`.
    """
    paths = {name: getattr(options, name) for name in names}
    tables = read_tables(paths, {**vars(options), **labels})
    for name, frame in tables.items():
        tables[name] = frame.drop(columns=list(LABELS), errors="ignore")
    return tables
