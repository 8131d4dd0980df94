"""Steps in forks of a process that has imported what they import.

A command ``python`` that does for ``python -m negtrace.steps …`` what the interpreter
does, without the seconds of every import: the step itself is imported from its own checkout.  What
the libraries read when they are imported is the same as in the server, or else (and for all other
uses of ``python``) the interpreter itself is taken.  A job that is killed takes its fork with it.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path
from typing import Any

LIBRARIES = (
    *("torch", "torchvision", "open_clip", "safetensors.torch", "pandas", "pyarrow.parquet"),
    *("scipy.stats", "seaborn", "matplotlib.pyplot", "jinja2", "yaml", "PIL.Image"),
)
# Variables that these read when they are imported, and what the server has in them.
READ = ("HF_", "TORCH_", "TRANSFORMERS_", "MPL", "LD_", "ATEN_", "ONEDNN_")
SERVED = {"HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0"}
MODULE = ["-m", "negtrace.steps"]
SOCKET = "socket"


@cache
def folder() -> Path:
    """The folder with the command, its server ends with this process."""
    made = Path(tempfile.mkdtemp(prefix="python-"))
    command = made / "python"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {__file__} {made} "$@"\n')
    command.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(READ)}
    server = subprocess.Popen(
        [sys.executable, __file__, str(made)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment | SERVED | {"PYTHONSAFEPATH": "1"},
    )
    assert server.stdout
    assert server.stdout.readline() == b"ready\n"
    return made


def read_at_import() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key.startswith(READ)}


def ask(made: str, arguments: list[str]) -> None:
    """The command: hand the job to the server and end as it ends."""
    if arguments[: len(MODULE)] != MODULE or read_at_import() != SERVED:
        os.execv(sys.executable, [sys.executable, *arguments])
    umask = os.umask(0)
    job = {"arguments": arguments[1:], "cwd": os.getcwd(), "umask": umask, "env": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.path.join(made, SOCKET))
        socket.send_fds(server, [b"x"], [0, 1, 2])
        server.sendall(json.dumps(job).encode() + b"\n")
        status = int(server.makefile().readline())
    if status < 0:
        os.kill(os.getpid(), -status)
    sys.exit(status)


def serve(made: str) -> dict[str, Any]:
    """Fork for every job; returns, in a fork, the job that is to be run there."""
    for library in LIBRARIES:
        __import__(library)
    gc.freeze()  # what is shared stays so
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.join(made, SOCKET))
        listening.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("ready", flush=True)
        while True:
            if sys.stdin in select.select([sys.stdin, listening], [], [])[0]:
                sys.exit()
            connection, _ = listening.accept()
            if not os.fork():
                listening.close()
                return _watched(connection)
            connection.close()


def _watched(connection: socket.socket) -> dict[str, Any]:
    """Fork once more for the job; this process ends with it, or ends it if its command is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    job: dict[str, Any] = json.loads(connection.makefile().readline())
    if not (pid := os.fork()):
        connection.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        return job
    ended = os.pidfd_open(pid)
    if ended not in select.select([ended, connection], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.sendall(f"{status}\n".encode())
    os._exit(0)


def become(job: dict[str, Any]) -> None:
    """Go on as the interpreter that the job asked for, but end without undoing every import."""
    os.chdir(job["cwd"])
    os.umask(job["umask"])
    os.environ.clear()
    os.environ.update(job["env"])
    sys.path[:0] = job["env"].get("PYTHONPATH", "").split(os.pathsep)
    sys.argv[:] = job["arguments"]
    status = 0
    try:
        runpy.run_module(job["arguments"][0], run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        ask(sys.argv[1], sys.argv[2:])
    become(serve(sys.argv[1]))
