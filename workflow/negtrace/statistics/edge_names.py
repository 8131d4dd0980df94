"""What the names of an edge's ends say: component, what it reads with, and how far up it stands."""

from __future__ import annotations

READ_OUT = "read-out"
# What a receiver reads with, and in words.
READS = {
    "head": "whole head",
    "q": "queries",
    "k": "keys",
    "v": "values",
    "mlp": "MLP",
    READ_OUT: READ_OUT,
}


def component(receiver: str) -> str:
    """The component that a receiver belongs to: ``4.1`` of ``4.1.q``."""
    return ".".join(receiver.split(".")[:2])


def reads(receiver: str) -> str:
    """What a receiver reads with, a key of `READS`."""
    if not receiver[0].isdigit():
        return receiver.split(".")[0]
    return receiver.split(".")[2] if receiver.count(".") == 2 else "head"


def height(name: str) -> float:
    """Where a component stands, in blocks; of the read-out, above all blocks, infinity."""
    if name == READ_OUT:
        return float("inf")
    if name == "embedding":
        return 0.0
    return int(name.split(".")[1]) + 0.4 if name.startswith("mlp") else float(name.split(".")[0])
