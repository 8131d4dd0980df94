"""Options that many steps have, and the tables that they name."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from negtrace.store import LABELS, read_table

OF_RUN = {"dataset": str, "model": str, "wording": str}


def paths_of(options: Namespace, names: Iterable[str]) -> dict[str, Path]:
    """The files that options of these names point to."""
    return {name: getattr(options, name) for name in names}


def tables_of(options: Namespace, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The tables there, without the columns that say which dataset, model and wording they are of.

    Raises:
        InputError: a file is missing or no table of that kind.
    """
    return {
        name: read_table(path).drop(columns=list(LABELS), errors="ignore")
        for name, path in paths_of(options, names).items()
    }
