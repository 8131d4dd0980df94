"""``python -m negtrace.steps NAME --option=value ...``: run one step, as the workflow's rules do.

Bad input ends the process with status 2 and a line ``error: ...``, without a traceback; a machine
that is at its limits with status 1 and such a line.
"""

from __future__ import annotations

import logging
import sys

from negtrace.errors import InputError
from negtrace.limits import in_words
from negtrace.steps.job import run
from negtrace.study.step_source import steps

BAD_INPUT = 2


def main(arguments: list[str]) -> int:
    """Run the step that is named first; returns the exit status."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    name, *options = arguments or ["--help"]
    if name not in steps():
        print(__doc__, "\n".join(sorted(steps())), sep="\n", file=sys.stderr)
        return BAD_INPUT
    try:
        run(steps()[name], options)
    except InputError as error:
        words, status = str(error), BAD_INPUT
    except Exception as error:
        words, status = in_words(error) or "", 1
        if not words:
            raise
    else:
        return 0
    print(f"error: {words}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
