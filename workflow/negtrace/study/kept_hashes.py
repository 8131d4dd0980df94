"""Code hashes, kept from one start to the next: reading all modules takes longer than the rest.

Standard library only, because it runs whenever the job graph is built.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from negtrace.study import code_hash as computed
from negtrace.study import step_source

FILE = Path(".snakemake/negtrace_code_hashes.json")


def code_hash(step: str) -> str:
    """`code_hash.code_hash` of a step."""
    return _hashes()[step]


@cache
def _hashes() -> dict[str, str]:
    """By step: those of the last start, if not a byte of what they are of has changed."""
    key = fingerprint()
    try:
        kept = json.loads(FILE.read_text(encoding="utf-8"))
        if kept["of"] == key:
            return dict(kept["hashes"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    hashes = {step: computed.code_hash(step) for step in step_source.steps()}
    _keep({"of": key, "hashes": hashes})
    return hashes


def fingerprint() -> str:
    """The sha256 of every file that a code hash may be of, and of the Python that reads them."""
    digest = hashlib.sha256(sys.version.encode())
    files = [step_source.TABLES_FILE, *computed.PACKAGE.rglob("*.py")]
    files += [path for folder in computed.DATA_FOLDERS.values() for path in folder.rglob("*")]
    for path in sorted(path for path in files if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(computed.PACKAGE.parent)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _keep(value: object) -> None:
    """Write the file in one step; where it cannot be written, the next start computes anew."""
    temporary = FILE.with_name(f"{FILE.name}.{os.getpid()}")
    try:
        FILE.parent.mkdir(exist_ok=True)
        temporary.write_text(json.dumps(value), encoding="utf-8")
        temporary.replace(FILE)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
