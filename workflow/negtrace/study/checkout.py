"""Where the workflow lies and runs: what its jobs need of the machine, checked before any of them.

Imported when Snakemake builds the job graph: standard library only.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from negtrace.errors import InputError

# What makes a file of an entry that the workflow brings along, by section of the configuration.
LOCAL = {
    "models": ("architecture", "weights", "family"),
    "datasets": ("annotations", "images", "file", "code"),
}

# Characters that the checkout's path may not hold, and why.
IMPOSSIBLE = {
    os.pathsep: "PYTHONPATH cannot hold",
    "\n": "no shell line can hold",
    "\r": "no shell line can hold",
    "{": "Snakemake takes for a wildcard",
    "}": "Snakemake takes for a wildcard",
}

# Any of these is a device that torch calls cuda: NVIDIA's, WSL's, AMD's.
GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")

# Around every `python` of a rule, inside the redirection to its log: a process that a signal ends
# cannot say so itself.
WATCHED = (
    'python() { command python "$@" || { status=$?; case $status in '
    "137) echo 'error: killed by signal 9: out of memory? Let fewer jobs run at once (--cores,"
    " --resources mem_mb=...), or lower compute.memory_gb, then run again' >&2;; "
    '12[9]|1[3-5][0-9]) echo "error: killed by signal $((status - 128)); run again" >&2;; '
    "esac; return $status; }; }"
)


def shell_prefix(library: Path, variables: Mapping[str, Any]) -> str:
    """What every rule's shell line begins with, ready for Snakemake's formatting.

    Jobs import this checkout's library, whatever is installed or lies in the working folder.

    Raises:
        InputError: the library's path has one of the characters that it cannot have.
    """
    for character, reason in IMPOSSIBLE.items():
        if character in str(library):
            raise InputError(
                f"{str(library)!a}: the path has the character {character!a}, which {reason}; move "
                "the checkout to another folder"
            )
    exported = {"PYTHONPATH": library, "PYTHONSAFEPATH": 1, **variables}
    exports = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in exported.items())
    prefix = f"set -euo pipefail; export {exports}; {WATCHED}; "
    return prefix.replace("{", "{{").replace("}", "}}")


def check_machine(device: str, local: bool) -> None:
    """The working folder can be written to, temporary files too, and the device is there.

    Args:
        device: auto, cpu or cuda.
        local: whether jobs run on this machine.

    Raises:
        InputError: names the folder or device, and the remedy.
    """
    if not os.access(".", os.W_OK):
        raise InputError(
            f"{os.getcwd()}: results cannot be written here (read-only); use --directory"
        )
    temporary = os.environ.get("TMPDIR")
    if temporary and not (os.path.isdir(temporary) and os.access(temporary, os.W_OK)):
        raise InputError(
            f"TMPDIR is {temporary!a}, no folder that can be written to; unset or change it"
        )
    if device == "cuda" and local and not _has_gpu():
        raise InputError(
            "configuration: compute.device is cuda, but this machine has none; use auto or cpu"
        )


def lock_notice(folder: Path) -> str | None:
    """What to do about a lock that is there before a run begins, or None.

    Args:
        folder: in which Snakemake runs.
    """
    locks = folder / ".snakemake" / "locks"
    if not locks.is_dir() or not any(locks.iterdir()):
        return None
    return (
        "note: results are locked: another snakemake works here, or one was killed. If none is "
        "running, snakemake --unlock and then the same command go on; what was finished stays"
    )


def with_own_files(config: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """The configuration with the workflow's own files, where they do not lie in the working folder.

    Args:
        root: the checkout; its default configuration names files relative to it.
    """
    changed = deepcopy(dict(config))
    for section, keys in LOCAL.items():
        for entry in _mappings(changed.get(section)):
            for key in keys:
                path = entry.get(key)
                if not isinstance(path, str) or not path.startswith("workflow/"):
                    continue
                if not os.path.exists(path) and os.path.exists(root / path):
                    # Relative: results name no place on the machine.
                    entry[key] = os.path.relpath(root / path)
    return changed


def _mappings(section: Any) -> list[dict[str, Any]]:
    entries = section.values() if isinstance(section, Mapping) else ()
    return [entry for entry in entries if isinstance(entry, dict)]


def _has_gpu() -> bool:
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return False
    return os.name != "posix" or any(map(os.path.exists, GPU_DEVICES))
