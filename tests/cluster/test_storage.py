"""Results in a bucket: a study with nothing but a storage prefix, on a server of this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from checkout import Checkout, without_times

pytestmark = pytest.mark.cluster

BUCKET = "studies"
PREFIX = f"s3://{BUCKET}/negation"
PLANT = {"first": [1, 2], "second": [3, 1], "carrier": "full_stop", "layers": 3, "heads": 2}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of an S3 server in this process."""
    if not (find_spec("snakemake_storage_plugin_s3") and find_spec("moto")):
        pytest.skip('no S3 plugin or server: pip install ".[test-cluster]"')
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def at(address: str) -> list[str]:
    """Options that name the server and the study's place in it."""
    keys = ["--storage-s3-access-key", "key", "--storage-s3-secret-key", "secret"]
    return ["--default-storage-prefix", PREFIX, "--storage-s3-endpoint-url", address, *keys]


def stored(address: str) -> dict[str, bytes]:
    """All objects of the bucket, by key."""
    import boto3

    client = boto3.resource(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    return {item.key: item.get()["Body"].read() for item in client.Bucket(BUCKET).objects.all()}


def one_that_was_constructed(study: dict[str, Any]) -> None:
    """No donors; beside the random model one whose weights a job writes."""
    study["models"]["planted"] = {"plant": PLANT}
    study["study"].update(donors=[], models=["tiny", "planted"])


def test_a_study_with_nothing_but_a_prefix(server: str, tmp_path: Path) -> None:
    remote, local = (Checkout.create(tmp_path / name) for name in ("remote", "local"))
    for checkout in (remote, local):
        checkout.configure(one_that_was_constructed)
    remote.options = ["--default-storage-provider", "s3", *at(server)]
    remote.run()
    local.run()
    there = stored(server)
    tables = [str(path.relative_to(local.folder)) for path in local.path().rglob("*.parquet")]
    figures = [str(path.relative_to(local.folder)) for path in local.path().rglob("*.svg")]
    names = (*tables, *figures, "results/comparison.csv")
    assert [n for n in names if there[f"negation/{n}"] != (local.folder / n).read_bytes()] == []
    pages = (there["negation/results/report.html"], local.path("report.html").read_bytes())
    assert without_times(pages[0]) == without_times(pages[1])
    assert not list(remote.folder.glob("results/*/"))
    assert "Nothing to be done" in remote.run()
