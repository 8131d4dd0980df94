"""What every step's command line has in common."""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any

from negtrace.errors import InputError

BAD_INPUT = 2


def run(step: Callable[[Namespace], None], doc: str, options: Mapping[str, Any]) -> None:
    """Parse the options and run the step.

    All are required; a tuple type means one or more values, a list type any number of them.

    Bad input ends the process with status 2 and a line ``error: ...``, without a traceback.
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
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
