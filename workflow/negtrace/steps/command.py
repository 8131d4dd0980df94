"""What every step's command line has in common."""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from negtrace.errors import InputError
from negtrace.limits import in_words

BAD_INPUT = 2


def run(step: Callable[[Namespace], None], doc: str, options: Mapping[str, Any]) -> None:
    """Parse the options and run the step.

    All are required; a tuple type means one or more values, a list type any number of them.

    Bad input ends the process with status 2 and a line ``error: ...``, without a traceback; a
    machine that is at its limits with status 1 and such a line.
    """
    parser = ArgumentParser(description=doc.splitlines()[0])
    for name, kind in options.items():
        many = {tuple: {"nargs": "+"}, list: {"nargs": "*"}}.get(type(kind), {})
        kind = kind[0] if many else kind
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, required=True, **many)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        step(parser.parse_args())
    except InputError as error:
        _end(str(error), BAD_INPUT)
    except Exception as error:
        words = in_words(error)
        if words is None:
            raise
        _end(words, 1)


def _end(words: str, status: int) -> NoReturn:
    print(f"error: {words}", file=sys.stderr)
    sys.exit(status)
