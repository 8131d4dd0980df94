"""Files beside the checkout that some tests need, and skip without."""

from pathlib import Path

SHARED_VALSE = Path(__file__).parents[2] / "shared" / "valse" / "existence.json"
