"""A table that is not what the step expects, or not what others were made from, is refused."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negtrace.errors import InputError
from negtrace.tables import store
from negtrace.tables.lineage import kind_of, read_tables, recorded_inputs
from negtrace.tables.store import (
    labelled,
    provenance,
    read_source,
    read_table,
    table_schema,
    write_table,
)
from negtrace.vocabulary import LABELS

RUN = {"dataset": "demo", "model": "tiny", "wording": "rephrased"}
ITEMS = 40


def scores(seed: int = 0) -> pd.DataFrame:
    noise = np.random.default_rng(seed).normal(size=(2, ITEMS))
    names = [f"item_{number}" for number in range(ITEMS)]
    return pd.DataFrame(
        {
            "item_id": names,
            "pair_id": [f"{number:012x}" for number in range(ITEMS)],
            "negation": ["caption", "foil"] * (ITEMS // 2),
            "score_negated": noise[0],
            "score_affirmative": noise[1],
            "d": noise[0] - noise[1],
        }
    )


def filled(frame: pd.DataFrame, table: str, rows: int) -> pd.DataFrame:
    """The frame with any value in the declared columns that it lacks."""
    for field in table_schema(table):
        if field.name not in frame and field.name not in LABELS:
            text = pa.types.is_string(field.type) or pa.types.is_dictionary(field.type)
            frame[field.name] = "x" if text else np.zeros(rows, dtype="int16")
            if pa.types.is_boolean(field.type):
                frame[field.name] = False
    return frame


def write(path: Path, table: str, labels: dict = RUN, seed: int = 0, **reads: Path) -> Path:
    """A table of random values that was made from others."""
    frame = scores(seed)
    frame = frame[[name for name in frame if name in table_schema(table).names]]
    frame = filled(frame.copy(), table, ITEMS)
    tables = {role: read_source(file)[1] for role, file in reads.items()}
    write_table(labelled(frame, labels), path, table, provenance("test", tables=tables))
    return path


@pytest.fixture
def run(tmp_path) -> dict[str, Path]:
    """Scores, and segments and accuracy that were made from them."""
    folder = tmp_path / "results" / "demo" / "tiny" / "rephrased"
    made = {"scores": write(folder / "scores.parquet", "scores")}
    made["segments"] = write(folder / "segments.parquet", "segments", **made)
    return made


def test_tables_of_one_run_are_read_and_named_with_their_hashes(run):
    tables = read_tables(run, RUN)
    assert list(tables) == ["scores", "segments"]
    assert recorded_inputs(tables.sources["segments"]) == {
        run["scores"]: tables.sources["scores"].sha256
    }
    made = provenance("next", tables=tables.sources)
    assert made["inputs"] == {name: tables.sources[name].sha256 for name in run}


def test_what_a_table_was_made_from_is_named_from_its_own_folder(run):
    said = read_source(run["segments"])[1].provenance
    assert said["tables"] == {"scores": "scores.parquet"}
    assert said["labels"] == RUN


def rewritten(path: Path, change) -> None:
    """What a careful stranger does: other rows under the old metadata and seal."""
    table = pq.read_table(path)
    footer = pq.read_metadata(path).metadata
    changed = change(table).replace_schema_metadata(table.schema.metadata)
    with pq.ParquetWriter(path, changed.schema, compression="zstd") as writer:
        writer.write_table(changed)
        seal = footer[b"negtrace.sha256"].decode()
        writer.add_key_value_metadata({"negtrace.sha256": seal})


def negated(table: pa.Table) -> pa.Table:
    at = table.column_names.index("d")
    return table.set_column(at, table.field(at), pa.array(-table["d"].to_numpy(), table["d"].type))


MUTATIONS = {
    "d negated": negated,
    "the first 30 rows": lambda table: table.slice(0, 30),
    "a row twice": lambda table: pa.concat_tables([table, table.slice(0, 1)]),
    "rows in another order": lambda table: table.sort_by([("d", "descending")]),
    "no rows": lambda table: table.slice(0, 0),
    "another type": lambda table: table.set_column(
        table.column_names.index("d"), "d", table["d"].cast(pa.string())
    ),
    "a column less": lambda table: table.drop_columns("d"),
    "a column more": lambda table: table.append_column("more", table["d"]),
    "two columns exchanged": lambda table: table.rename_columns(
        [{"item_id": "pair_id", "pair_id": "item_id"}.get(n, n) for n in table.column_names]
    ),
    "written again as it was": lambda table: table,
}


@pytest.mark.parametrize("change", MUTATIONS.values(), ids=MUTATIONS)
def test_other_rows_under_the_old_metadata_are_refused(run, change):
    rewritten(run["segments"], change)
    with pytest.raises(InputError, match=r"segments\.parquet: .*changed since.*run again"):
        read_tables(run, RUN)


def test_a_table_without_metadata_is_refused(run):
    read_table(run["segments"]).to_parquet(run["segments"])
    with pytest.raises(InputError, match=r"segments\.parquet: not a readable table"):
        read_tables(run, RUN)


@pytest.mark.parametrize(
    ("label", "other"),
    [("dataset", "other"), ("model", "large"), ("wording", "standard")],
)
def test_tables_of_another_run_are_refused(run, tmp_path, label, other):
    foreign = write(tmp_path / "far" / "scores.parquet", "scores", RUN | {label: other})
    shutil.copy(foreign, run["scores"])
    with pytest.raises(InputError, match=f"is of the {label} {other}, but the job is of"):
        read_tables({"scores": run["scores"]}, RUN)
    with pytest.raises(InputError, match=f"is of the {label}"):
        read_tables(run)


def test_another_version_of_an_input_is_refused(run):
    write(run["scores"], "scores", seed=1)
    with pytest.raises(InputError, match=r"segments\.parquet: its recorded inputs do not match"):
        read_tables(run, RUN)
    assert read_tables({"segments": run["segments"]}, RUN)
    write(run["segments"], "segments", scores=run["scores"])
    assert read_tables(run, RUN)


def test_tables_made_from_two_versions_of_a_third_are_refused(run):
    folder = run["scores"].parent
    write(run["scores"], "scores", seed=1)
    features = write(folder / "features.parquet", "features", scores=run["scores"])
    with pytest.raises(InputError, match="recorded inputs do not match"):
        read_tables({"segments": run["segments"], "features": features}, RUN)


def test_equal_names_in_two_folders_are_two_tables(run):
    """A control's scores differ from those of the dataset, and both may be read."""
    control = run["scores"].parents[2].parent / "demo-shuffled" / "tiny" / "rephrased"
    labels = RUN | {"dataset": "demo-shuffled"}
    dealt = write(control / "scores.parquet", "scores", labels, seed=2, of_scores=run["scores"])
    segments = write(control / "segments.parquet", "segments", labels, scores=dealt)
    assert read_tables({"scores": dealt, "segments": segments}, labels)


def test_a_table_of_another_kind_or_name_is_refused(run):
    folder = run["scores"].parent
    with pytest.raises(InputError, match="is a table scores, not segments"):
        read_table(run["scores"], "segments")
    renamed = shutil.copy(run["scores"], folder / "scores.standard.parquet")
    with pytest.raises(InputError, match=r"was written as scores\.parquet"):
        read_table(renamed)


def test_a_table_of_older_code_is_fine_while_its_columns_are(run, monkeypatch):
    made = provenance("test") | {"negtrace": "0.0.1", "versions": {}}
    write_table(read_table(run["scores"]), run["scores"], "scores", made)
    assert len(read_table(run["scores"], "scores")) == ITEMS
    older = pa.schema([*store.table_schema("scores"), pa.field("new", pa.int16())])
    monkeypatch.setattr(store, "table_schema", lambda table: older)
    with pytest.raises(InputError, match="has no column 'new'; delete it and run again"):
        read_table(run["scores"], "scores")


def test_every_flipped_bit_is_seen(run):
    data, rng = run["segments"].read_bytes(), random.Random(0)
    for _ in range(60):
        flipped, bit = bytearray(data), rng.randrange(8 * len(data))
        flipped[bit // 8] ^= 1 << bit % 8
        run["segments"].write_bytes(flipped)
        with pytest.raises(InputError) as refused:
            read_table(run["segments"])
        assert str(refused.value).isprintable()


def test_every_cut_hole_and_insertion_is_seen(run):
    data, rng = run["segments"].read_bytes(), random.Random(1)
    for number in range(60):
        start, length = rng.randrange(len(data)), rng.randrange(1, 200)
        part = data[start : start + length]
        other = [b"", rng.randbytes(length), part + part][number % 3]
        changed = data[:start] + other + (data[start + length :] if number % 4 else b"")
        if changed != data:
            run["segments"].write_bytes(changed)
            with pytest.raises(InputError, match="run again"):
                read_table(run["segments"])


def test_pages_carry_checksums_that_others_can_verify(run):
    column = pq.read_metadata(run["segments"]).row_group(0).column(0)
    data = bytearray(run["segments"].read_bytes())
    data[column.data_page_offset + column.total_compressed_size - 5] ^= 1
    with pytest.raises(OSError, match=r"[Cc]orrupt|CRC|checksum"):
        pq.read_table(pa.BufferReader(bytes(data)), page_checksum_verification=True)


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        ("scores", "scores"),
        ("pairs", "candidates"),
        ("of_rejected", "excluded"),
        ("placebo_alignment", "alignment"),
        ("donor_parts.0", "donor_sweep"),
        ("donor_map.head.negate.1", "donor_map"),
        ("map.head.negate", "restoration_map"),
        ("part.3", "sweep"),
    ],
)
def test_roles_say_what_kind_of_table_plays_them(role, kind):
    assert kind_of(role) == kind


def test_metadata_name_no_place_of_the_machine(run, tmp_path):
    said = json.dumps(read_source(run["segments"])[1].provenance)
    assert str(tmp_path) not in said
