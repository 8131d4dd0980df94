"""Runs Snakemake again and again, each time in a fork of a process that has imported it.

The same as ``python -m snakemake``, without the seconds that every import takes.  A line of JSON
asks for a run (arguments, cwd, env, python, output); the answer is its exit status.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path


def run(arguments: list[str], folder: Path, python: str) -> tuple[int, str]:
    """Run Snakemake in a folder; its exit status and all that it printed.

    Args:
        python: the interpreter that its jobs get.
    """
    server = _server()
    assert server.stdin
    assert server.stdout
    with tempfile.NamedTemporaryFile() as output:
        asked = {"arguments": arguments, "cwd": str(folder), "env": dict(os.environ)}
        server.stdin.write(json.dumps(asked | {"python": python, "output": output.name}) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        return status, Path(output.name).read_text()


@cache
def _server() -> subprocess.Popen[str]:
    """One for each process that runs tests; it ends with it, at the end of its input."""
    return subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def serve() -> None:
    """Fork for every line of the input."""
    from snakemake.cli import main

    for line in sys.stdin:
        asked = json.loads(line)
        if pid := os.fork():
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
            continue
        output = os.open(asked["output"], os.O_WRONLY | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.clear()
        os.environ.update(asked["env"])
        os.chdir(asked["cwd"])
        sys.path[0] = asked["cwd"]
        sys.executable = asked["python"]
        sys.argv[1:] = asked["arguments"]
        main()  # exits
        sys.exit()


if __name__ == "__main__":
    serve()
