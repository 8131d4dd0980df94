"""Tables that were damaged or swapped are refused; once deleted they are made again."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from checkout import Checkout


def flip(table: Path, chance: random.Random) -> None:
    data = bytearray(table.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    table.write_bytes(data)


def truncate(table: Path, chance: random.Random) -> None:
    table.write_bytes(table.read_bytes()[: chance.randrange(table.stat().st_size)])


def empty(table: Path, chance: random.Random) -> None:
    table.write_bytes(b"")


def swap(table: Path, chance: random.Random) -> None:
    """Put another table of the study in its place."""
    others = [path for path in table.parent.glob("*.parquet") if path != table]
    shutil.copy(chance.choice(others), table)


DAMAGES = (flip, truncate, empty, swap)


def damaged_study(study: Checkout, seed: int) -> Path:
    """Damage one table that others are made from; its path."""
    chance = random.Random(seed)
    tables = [path for name, path in study.tables().items() if name.count("/") > 2]
    table = chance.choice(tables)
    DAMAGES[seed % len(DAMAGES)](table, chance)
    return table


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.faults) for n in range(1, 24))]
)
def test_a_damaged_table_is_named_by_verify_and_refused_by_what_reads_it(study, finished, seed):
    table = damaged_study(study, seed)
    name = str(table.relative_to(study.folder))
    printed = study.run("verify", fails=True)
    assert f"corrupt: {name}" in printed, printed
    if study.jobs("-n"):
        printed = study.run(fails=True)
        assert f"error: {name}: " in printed
        assert "delete it and run again" in printed
        assert "Traceback" not in printed
    table.unlink()
    study.run()
    assert study.results() == finished.results()
