"""Floating-point operations that an exact restoration sweep needs, counted from shapes.

A product of [r, k] and [k, c] is 2 r k c operations.  For a causal tower of width w, MLP width u,
H heads of width d, and L blocks, where a patch changes the last m of a sentence's n rows:

    qkv(r) = 6 r w^2    key_value(r) = 4 r w^2    query(r) = out(r) = 2 r w^2    mlp(r) = 4 r w u
    attention(r) = 4 w x (keys that the last r rows see: n + (n - 1) + ... + (n - r + 1))

    the patched block b (rows r = m; r = 1 in block L, where only the pooled row is read)
        resid      attention(r) + out(r) + mlp(r); its q, k, v are those of the runs
        attn_out   mlp(r)
        mlp_out    0
        head       2 r d w + mlp(r)
        q, k, v, pattern   attention(r) / H + 2 r d w + mlp(r)
    pass block b < L             qkv(m) + attention(m) + out(m) + mlp(m)
    pass block L                 key_value(m) + query(1) + attention(1) + out(1) + mlp(1)
    read out                     2 w e, with e the embedding's size

Unpatched sentences pass every block like a patch of the rows that no other sentence has: what a
causal tower makes of a prefix is needed once, however many sentences begin with it.
Left out: layer norms, softmax, the activation function, biases, residual sums, copies, embedding
look-ups, and the dot products with the images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from negtrace.models.tower_shape import TowerShape


def attention_flops(shape: TowerShape, rows: int, length: int) -> int:
    """Scores and weighted values of the last `rows` of `length` positions, all heads."""
    keys = rows * length - rows * (rows - 1) // 2
    return 4 * shape.width * keys


def mlp_flops(shape: TowerShape, rows: int) -> int:
    return 4 * rows * shape.width * shape.mlp_width


def pass_flops(shape: TowerShape, block: int, rows: int, length: int) -> int:
    """One block for one changed sentence."""
    square = shape.width**2
    if block < shape.layers:
        return 8 * rows * square + attention_flops(shape, rows, length) + mlp_flops(shape, rows)
    pooled = 4 * square + attention_flops(shape, 1, length) + mlp_flops(shape, 1)
    return 4 * rows * square + pooled


def patch_flops(shape: TowerShape, site: str, block: int, rows: int, length: int) -> int:
    """The block that a patch is made in.

    Raises:
        ValueError: a site that is not counted.
    """
    rows = 1 if block == shape.layers else rows
    head_out = 2 * rows * shape.head_width * shape.width
    attention = attention_flops(shape, rows, length)
    if site == "resid":
        return attention + 2 * rows * shape.width**2 + mlp_flops(shape, rows)
    if site == "attn_out":
        return mlp_flops(shape, rows)
    if site == "mlp_out":
        return 0
    if site == "head":
        return head_out + mlp_flops(shape, rows)
    if site in ("q", "k", "v", "pattern"):
        return attention // shape.heads + head_out + mlp_flops(shape, rows)
    raise ValueError(f"site {site!r} is not counted")


def cell_flops(shape: TowerShape, site: str, layer: int, rows: int, length: int) -> int:
    """One patch, from its block to the sentence embedding.

    Args:
        layer: hidden state 0..L-1 for ``resid``, block 1..L otherwise.
        rows: rows that the patch changes, the last m of the sentence.
        length: tokens of the sentence, EOT included.
    """
    block = layer + 1 if site == "resid" else layer
    passed = (pass_flops(shape, b, rows, length) for b in range(block + 1, shape.layers + 1))
    read_out = 2 * shape.width * shape.embed_dim
    return patch_flops(shape, site, block, rows, length) + sum(passed) + read_out


def run_flops(shape: TowerShape, rows: int, length: int) -> int:
    """One unpatched sentence whose last `rows` are its own, their keys and values included."""
    blocks = range(1, shape.layers + 1)
    read_out = 2 * shape.width * shape.embed_dim
    return sum(pass_flops(shape, block, rows, length) for block in blocks) + read_out


def own_rows(sentences: Iterable[Sequence[int]]) -> Iterator[tuple[int, int]]:
    """(rows, length) of each distinct sentence: rows behind what an earlier one begins with too."""
    before: Sequence[int] = ()
    for sentence in sorted(set(map(tuple, sentences))):
        shared = 0
        while shared < len(before) and before[shared] == sentence[shared]:
            shared += 1
        yield len(sentence) - shared, len(sentence)
        before = sentence


def sweep_flops(
    shape: TowerShape,
    site: str,
    cells: Iterable[tuple[int, int, int]],
    sentences: Iterable[Sequence[int]],
) -> int:
    """A whole sweep.

    Args:
        cells: (layer, rows, length) of every patch that is not known beforehand.
        sentences: tokens of every base and source sentence.
    """
    patches = sum(cell_flops(shape, site, *cell) for cell in cells)
    return patches + sum(run_flops(shape, *run) for run in own_rows(sentences))
