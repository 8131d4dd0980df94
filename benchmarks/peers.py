"""Comparators: other ways to the same patched scores, behind one small interface.

Every peer gets the same tower, the same token sequences and the same images, and answers with the
scores of the cells it was asked for.  A peer whose package is missing says so.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from copy import deepcopy
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from open_clip.transformer import Attention
from subject import LOGIT_SCALE, Subject
from torch import Tensor, nn

from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import TowerShape
from negtrace.patching.sentences import SentencePair
from negtrace.patching.slow_twin import activations, replaced_embedding, text_blocks
from negtrace.vocabulary import BASE_OF, SOURCE_OF

SITES = ("resid", "head")


class Cell(NamedTuple):
    """One patch."""

    layer: int  # hidden state for resid, block from 1 for head
    head: int | None  # from 1
    position: int | None  # None: all positions


class Request(NamedTuple):
    """Cells of one item; both sentences have the same number of tokens."""

    item_id: str
    pair: SentencePair
    image: np.ndarray  # unit norm [embed_dim]
    cells: tuple[Cell, ...]


class Answer(NamedTuple):
    """What a peer computed."""

    scores: list[np.ndarray]  # for each request, S of its cells
    patches: int  # patches that were computed, more than asked for where a peer knows only grids


class Peer:
    """A comparator.

    Attributes:
        name: as in the table.
        package: distribution that it needs besides the project's own, or None.
        major: its first version number; None: any.
        items_at_once: items that are timed together.
        devices: where it runs.
    """

    name: str
    package: str | None = None
    major: str | None = None
    items_at_once: int = 1
    devices: tuple[str, ...] = ("cpu",)

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    @classmethod
    def missing(cls) -> str | None:
        """Why the peer cannot run here, or None if it can."""
        if cls.package is not None:
            try:
                found = version(cls.package)
            except PackageNotFoundError:
                return f"{cls.package} not installed"
            if cls.major not in (None, found.split(".")[0]):
                return f"{cls.package} {found} installed, not {cls.major}"
        return None

    def patched_scores(self, site: str, direction: str, requests: Sequence[Request]) -> Answer:
        raise NotImplementedError


def score(embedding: Tensor, image: np.ndarray) -> float:
    """Logit scale x cosine, in float64."""
    return LOGIT_SCALE * float(embedding.double().cpu().numpy() @ image)


@contextmanager
def cut_to(model: nn.Module, length: int) -> Iterator[None]:
    """Let an open_clip text tower read sentences of exactly this many tokens."""
    text = model.text if hasattr(model, "text") else model
    kept = text.context_length, text.positional_embedding, text.attn_mask
    text.context_length = length
    text.positional_embedding = nn.Parameter(kept[1][:length], requires_grad=False)
    text.attn_mask = kept[2][:length, :length]
    try:
        yield
    finally:
        text.context_length, text.positional_embedding, text.attn_mask = kept


class SlowTwin(Peer):
    """negtrace's hooks on open_clip's `encode_text`, one patch per pass, padded to the context.

    The source's activations are read once per item, which `patched_embedding` does once per patch.
    """

    name = "hooks, padded to 77"

    def patched_scores(self, site: str, direction: str, requests: Sequence[Request]) -> Answer:
        answers = [self._one(site, direction, request) for request in requests]
        return Answer(answers, sum(map(len, answers)))

    def _one(self, site: str, direction: str, request: Request) -> np.ndarray:
        base = request.pair.sentence(BASE_OF[direction]).tokens
        source = request.pair.sentence(SOURCE_OF[direction]).tokens
        model, everywhere = self.subject.model, range(len(base))
        layers = sorted({cell.layer for cell in request.cells})
        values = activations(model, source, site, layers)
        found = []
        for layer, head, position in request.cells:
            at = everywhere if position is None else [position]
            heads = None if head is None else [head]
            patched = replaced_embedding(model, base, site, {layer: values[layer]}, at, at, heads)
            found.append(score(patched, request.image))
        return np.array(found)


class CutTwin(SlowTwin):
    """The same hooks on sentences that end at EOT."""

    name = "hooks, truncated"

    def _one(self, site: str, direction: str, request: Request) -> np.ndarray:
        with cut_to(self.subject.model, len(request.pair.negated.tokens)):
            return super()._one(site, direction, request)


def hooked_transformer(tower: TextTower) -> nn.Module:
    """TransformerLens's HookedTransformer with a causal tower's weights; its logits are embeddings.

    `normalization_type` LN keeps the final LayerNorm, so unembedding is the tower's projection.
    """
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.utilities.activation_functions import SUPPORTED_ACTIVATIONS

    # TransformerLens has no QuickGELU; its table of activation functions is open.
    SUPPORTED_ACTIVATIONS.setdefault("quick_gelu", lambda x: x * torch.sigmoid(1.702 * x))
    shape, w = tower.shape, tower.weights
    names = {"gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "quick_gelu": "quick_gelu"}
    config = HookedTransformerConfig(
        n_layers=shape.layers,
        d_model=shape.width,
        n_ctx=shape.context_length,
        d_head=shape.head_width,
        n_heads=shape.heads,
        d_mlp=shape.mlp_width,
        act_fn=names[shape.activation],
        d_vocab=shape.vocab_size,
        d_vocab_out=shape.embed_dim,
        eps=shape.ln_eps,
        normalization_type="LN",
        attention_dir="causal",
        device=str(tower.device),
        init_weights=False,
    )
    state = {
        "embed.W_E": w["token_embedding"],
        "pos_embed.W_pos": w["positional_embedding"],
        "ln_final.w": w["ln_final.weight"],
        "ln_final.b": w["ln_final.bias"],
        "unembed.W_U": w["projection"],
        "unembed.b_U": torch.zeros(shape.embed_dim, device=tower.device),
    }
    for i, block in enumerate(tower.blocks):
        at = f"blocks.{i}"
        for part, weight, bias in zip(
            "QKV", block["qkv.weight"].chunk(3), block["qkv.bias"].chunk(3), strict=True
        ):
            state[f"{at}.attn.W_{part}"] = rearrange(weight, "(h d) w -> h w d", h=shape.heads)
            state[f"{at}.attn.b_{part}"] = rearrange(bias, "(h d) -> h d", h=shape.heads)
        state |= {
            f"{at}.attn.W_O": rearrange(block["out.weight"], "w (h d) -> h d w", h=shape.heads),
            f"{at}.attn.b_O": block["out.bias"],
            f"{at}.ln1.w": block["ln_1.weight"],
            f"{at}.ln1.b": block["ln_1.bias"],
            f"{at}.ln2.w": block["ln_2.weight"],
            f"{at}.ln2.b": block["ln_2.bias"],
            f"{at}.mlp.W_in": block["fc.weight"].T,
            f"{at}.mlp.b_in": block["fc.bias"],
            f"{at}.mlp.W_out": block["proj.weight"].T,
            f"{at}.mlp.b_out": block["proj.bias"],
        }
    model = HookedTransformer(config)
    unloaded = model.load_state_dict(state, strict=False)
    forgotten = [k for k in unloaded.missing_keys if not k.endswith(("mask", "IGNORE"))]
    if forgotten or unloaded.unexpected_keys:
        raise RuntimeError(f"TransformerLens: {forgotten} not set, {unloaded.unexpected_keys} odd")
    return model.eval().requires_grad_(False)


class TransformerLens(Peer):
    """TransformerLens 3's ready-made sweeps, which patch every layer and position of a grid."""

    name = "TransformerLens, an item at a time"
    package = "transformer-lens"
    major = "3"
    devices = ("cpu", "cuda")
    batch = 1

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self.model = hooked_transformer(subject.tower)

    @torch.inference_mode()
    def patched_scores(self, site: str, direction: str, requests: Sequence[Request]) -> Answer:
        found: list[np.ndarray | None] = [None] * len(requests)
        by_length: dict[int, list[int]] = defaultdict(list)
        for i, request in enumerate(requests):
            by_length[len(request.pair.negated.tokens)].append(i)
        patches = 0
        for same in by_length.values():
            for start in range(0, len(same), self.batch):
                chunk = same[start : start + self.batch]
                grid = self._grid(site, direction, [requests[i] for i in chunk])
                patches += grid.size
                for row, i in enumerate(chunk):
                    cells = requests[i].cells
                    found[i] = np.array([grid[row][self._index(site, cell)] for cell in cells])
        return Answer(found, patches)

    @staticmethod
    def _index(site: str, cell: Cell) -> tuple[int, int]:
        if site == "resid":
            return cell.layer, cell.position
        return cell.layer - 1, cell.head - 1

    def _grid(
        self, site: str, direction: str, requests: Sequence[Request]
    ) -> Float[np.ndarray, "items layers columns"]:
        """Scores of every cell of items of one length."""
        from transformer_lens import patching

        base, source = (
            self._tokens([request.pair.sentence(of[direction]).tokens for request in requests])
            for of in (BASE_OF, SOURCE_OF)
        )
        images = np.stack([request.image for request in requests])
        images = torch.from_numpy(images).to(base.device, torch.float32)
        seen: list[Tensor] = []

        def metric(logits: Float[Tensor, "items n embed_dim"]) -> Tensor:
            embedding = nn.functional.normalize(logits[:, -1], dim=-1)
            # The sweep keeps one number per cell; the items' own scores are kept here.
            seen.append(LOGIT_SCALE * (embedding * images).sum(-1))
            return seen[-1].mean()

        names = {"resid": "hook_resid_pre", "head": "attn.hook_z"}
        wanted = names[site]
        with redirect_stderr(io.StringIO()):  # its own progress bar
            _, cache = self.model.run_with_cache(
                source, names_filter=lambda name: name.endswith(wanted)
            )
            sweep = {
                "resid": patching.get_act_patch_resid_pre,
                "head": patching.get_act_patch_attn_head_out_all_pos,
            }[site]
            shape = sweep(self.model, base, cache, metric).shape
        return torch.stack(seen, dim=1).cpu().numpy().reshape(len(requests), *shape)

    def _tokens(self, sentences: Sequence[Sequence[int]]) -> Int[Tensor, "items n"]:
        return torch.tensor(sentences, device=self.subject.tower.device)


class TransformerLensBatched(TransformerLens):
    """The same sweeps on batches of items of equal length, scores per item kept by the metric."""

    name = "TransformerLens, batched"
    items_at_once = 16
    batch = 32


class ShownAttention(nn.Module):
    """open_clip's own attention class in place of torch's, so that z is a module's input."""

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.inner = Attention(attention.embed_dim, attention.num_heads)
        self.inner.load_state_dict(attention.state_dict())

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, need_weights: bool, attn_mask: Tensor
    ) -> tuple[Tensor, None]:
        return self.inner(q, attn_mask=attn_mask), None


class TextEncoder(nn.Module):
    """`encode_text` as a forward pass."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Int[Tensor, "batch n"]) -> Float[Tensor, "batch embed_dim"]:
        return self.model.encode_text(tokens, normalize=True)


class NnsightInvokes(Peer):
    """nnsight on open_clip's module: one invoke per patch, all patches of an item in one pass."""

    name = "nnsight, batched invokes"
    package = "nnsight"
    items_at_once = 6

    def __init__(self, subject: Subject) -> None:
        from nnsight import NNsight

        class Batched(NNsight):
            """nnsight leaves it to the model to say how invokes become one batch."""

            def _batch(self, invokes: list[tuple], fn: object) -> tuple:
                return (torch.cat([arguments[0] for arguments, _ in invokes]),), {}

        super().__init__(subject)
        self.text = deepcopy(subject.model)
        self.text.visual = None
        for block in text_blocks(self.text):
            if isinstance(block.attn, nn.MultiheadAttention):
                block.attn = ShownAttention(block.attn)
        self.encoder = Batched(TextEncoder(self.text.eval().requires_grad_(False)))

    def patched_scores(self, site: str, direction: str, requests: Sequence[Request]) -> Answer:
        answers = []
        for request in requests:
            base = torch.tensor([request.pair.sentence(BASE_OF[direction]).tokens])
            source = torch.tensor([request.pair.sentence(SOURCE_OF[direction]).tokens])
            with cut_to(self.text, base.shape[1]), torch.no_grad():
                embeddings = {"resid": self._resid, "head": self._head}[site](
                    base, source, request.cells
                )
            answers.append(np.array([score(e, request.image) for e in embeddings]))
        return Answer(answers, sum(map(len, answers)))

    def _resid(self, base: Tensor, source: Tensor, cells: Sequence[Cell]) -> Tensor:
        import nnsight

        blocks = self.encoder.model.transformer.resblocks
        with self.encoder.trace(source):
            values = nnsight.save([block.input for block in blocks])
        with self.encoder.trace() as tracer:
            for layer, _, position in cells:
                with tracer.invoke(base):
                    blocks[layer].input[:, position] = values[layer][:, position]
            with tracer.invoke():
                embeddings = self.encoder.output.save()
        return embeddings

    def _head(self, base: Tensor, source: Tensor, cells: Sequence[Cell]) -> Tensor:
        import nnsight

        projections = [
            block.attn.inner.out_proj for block in self.encoder.model.transformer.resblocks
        ]
        width = self.subject.tower.shape.head_width
        with self.encoder.trace(source):
            values = nnsight.save([projection.input for projection in projections])
        with self.encoder.trace() as tracer:
            for layer, head, _ in cells:
                columns = slice((head - 1) * width, head * width)
                with tracer.invoke(base):
                    projections[layer - 1].input[..., columns] = values[layer - 1][..., columns]
            with tracer.invoke():
                embeddings = self.encoder.output.save()
        return embeddings


def grid_patches(shape: TowerShape, site: str, length: int) -> int:
    """Patches of TransformerLens's grid for one item."""
    return shape.layers * (length if site == "resid" else shape.heads)
