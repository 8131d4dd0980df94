"""Blocks of the report's page, unpacked as its script does."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from typing import Any


def unpacked(text: str) -> Any:
    return json.loads(gzip.decompress(b64decode(text)))
