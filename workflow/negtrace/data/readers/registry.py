"""Readers: which function reads the items of a dataset, by its kind in the configuration.

A reader takes the path of a file and the options of the dataset's entry, and returns the table
``items``; `study.dataset_kinds` says how its module declares what an entry may hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from negtrace.data.readers.aro import read_aro
from negtrace.data.readers.cc_neg import read_cc_neg
from negtrace.data.readers.crepe import read_crepe
from negtrace.data.readers.negbench import read_negbench
from negtrace.data.readers.own import read_own
from negtrace.data.readers.sugarcrepe import read_sugarcrepe
from negtrace.data.readers.sugarcrepe_pp import read_sugarcrepe_pp
from negtrace.data.readers.user_table import read_user_table
from negtrace.data.readers.valse import read_valse

READERS: dict[str, Callable[..., pd.DataFrame]] = {
    "valse": read_valse,
    "scenes": read_valse,
    "table": read_user_table,
    "negbench": read_negbench,
    "sugarcrepe": read_sugarcrepe,
    "sugarcrepe_pp": read_sugarcrepe_pp,
    "cc_neg": read_cc_neg,
    "crepe": read_crepe,
    "aro": read_aro,
}


def read_items(path: Path, entry: Mapping[str, Any], code: Path | None = None) -> pd.DataFrame:
    """Read a dataset's items.

    Args:
        path: the file of items.
        entry: the dataset's kind and its reader's options.
        code: the file of a reader of the user's.

    Raises:
        InputError: the file cannot be read as the kind says, or a reader of the user's cannot be
            used.
    """
    if entry["kind"] not in READERS:
        return read_own(path, str(code or entry["kind"]), entry.get("options", {}))
    return READERS[entry["kind"]](path, **{k: v for k, v in entry.items() if k != "kind"})
