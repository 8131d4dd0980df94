"""JSON of users, read strictly: what json would take in silence is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from negtrace.errors import InputError


def parse_json(text: str, where: Path | str) -> Any:
    """The value of a JSON text.

    Raises:
        InputError: malformed or truncated, a key twice in one object, nested too deeply, or a
            number of thousands of digits; names `where`.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where}: not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}); "
            "the file may be truncated: fetch it again or correct it there"
        ) from error
    except _DuplicateKeyError as error:
        raise InputError(
            f"{where}: {error.args[0]!r} occurs twice in one object; rename or remove one"
        ) from error
    except RecursionError:
        raise InputError(f"{where}: its JSON is nested too deeply; correct the file") from None
    except ValueError:  # Python limits the digits of whole numbers
        raise InputError(f"{where}: has a number with too many digits; correct it") from None


class _DuplicateKeyError(Exception):
    """A JSON object names a key twice; json would silently keep the last."""


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    for key, value in members:
        if key in unique:
            raise _DuplicateKeyError(key)
        unique[key] = value
    return unique
