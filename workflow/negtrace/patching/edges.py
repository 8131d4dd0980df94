"""Edges: what one component writes, as another one reads it.

Components are named as in tables.  ``embedding``, ``3.2`` (head 2 of block 3) and ``mlp.3`` write.
``4.1.q``, ``4.1.k`` and ``4.1.v`` (queries, keys and values of head 1 of block 4), ``4.1`` (all
three at once), ``mlp.4`` and ``read-out`` read.  A head that needs both a key and a value has no
effect by either alone: only ``4.1`` shows it.  A sender's output at a token enters a receiver's
input at the same token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from negtrace.errors import InputError
from negtrace.models.tower import PARTS
from negtrace.models.tower_shape import TowerShape

READ_OUT = "read-out"

Reads = Literal["head", "mlp", "read-out", "q", "k", "v"]


class Sender(NamedTuple):
    """What writes into the residual stream."""

    block: int  # 0: the embedding
    head: int | None = None  # from 1; None: the MLP

    def __str__(self) -> str:
        if not self.block:
            return "embedding"
        return f"mlp.{self.block}" if self.head is None else f"{self.block}.{self.head}"


class Receiver(NamedTuple):
    """What reads from the residual stream."""

    block: int  # L + 1: the read-out
    reads: Reads
    head: int | None = None

    def __str__(self) -> str:
        if self.reads == READ_OUT:
            return READ_OUT
        if self.head is None:
            return f"mlp.{self.block}"
        part = "" if self.reads == "head" else f".{self.reads}"
        return f"{self.block}.{self.head}{part}"

    def hears(self, sender: Sender) -> bool:
        """Whether the sender has written before this one reads."""
        own_heads = self.reads == "mlp" and sender.head is not None
        return sender.block < self.block + own_heads


class Edge(NamedTuple):
    """A sender into a receiver."""

    sender: Sender
    receiver: Receiver


def check_stream(shape: TowerShape) -> None:
    """What senders write has to reach receivers as it was written.

    Raises:
        InputError: the tower normalises the residual stream itself, or reads out its mean.
    """
    if shape.post_norm or shape.pool == "mean":
        raise InputError(
            "edges, attribution and mechanism are not defined for this text tower: its stream is "
            "normalised on the way or averaged, so that a component's output does not reach others "
            "as it was written; leave these three out of study.confirm"
        )


def every_sender(shape: TowerShape) -> list[Sender]:
    """The embedding, and all heads and MLPs in the order in which they write."""
    blocks = range(1, shape.layers + 1)
    heads = (*range(1, shape.heads + 1), None)
    return [Sender(0), *(Sender(block, head) for block in blocks for head in heads)]


def senders_named(names: Iterable[str], shape: TowerShape) -> list[Sender]:
    """Senders by their names, in the order in which they write.

    Raises:
        InputError: the tower has no such sender.
    """
    known = {str(sender): sender for sender in every_sender(shape)}
    wanted = set(names)
    if unknown := sorted(wanted - set(known)):
        raise InputError(
            f"the tower has no sender {unknown[0]!r}: use embedding, block.head such as 1.2, or"
            f" mlp.block, in {shape.layers} blocks of {shape.heads} heads"
        )
    return [sender for name, sender in known.items() if name in wanted]


def receivers_named(names: Iterable[str], shape: TowerShape) -> list[Receiver]:
    """Receivers by their names, in this order.

    Raises:
        InputError: the tower has no such receiver.
    """
    return list(dict.fromkeys(_receiver_named(name, shape) for name in names))


def _receiver_named(name: str, shape: TowerShape) -> Receiver:
    if name == READ_OUT:
        return Receiver(shape.layers + 1, "read-out")
    match = re.fullmatch(
        r"mlp\.(?P<mlp>\d+)|(?P<block>\d+)\.(?P<head>\d+)(\.(?P<part>[qkv]))?", name
    )
    if match:
        block, head = int(match["mlp"] or match["block"]), int(match["head"] or 1)
        if 1 <= block <= shape.layers and 1 <= head <= shape.heads:
            if match["mlp"]:
                return Receiver(block, "mlp")
            reads: dict[str | None, Reads] = {None: "head", **{part: part for part in PARTS}}
            return Receiver(block, reads[match["part"]], head)
    raise InputError(
        f"the tower has no receiver {name!r}: use block.head such as 4.1, or 4.1.q, 4.1.k, 4.1.v,"
        f" mlp.block or read-out, in {shape.layers} blocks of {shape.heads} heads"
    )


def edges_into(receivers: Sequence[Receiver], senders: Sequence[Sender]) -> list[Edge]:
    """All edges from the senders, receiver by receiver."""
    return [Edge(s, r) for r in receivers for s in senders if r.hears(s)]
