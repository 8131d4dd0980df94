"""A CLIPModel or SiglipModel of transformers, spoken to as open_clip's models are.

Its classes are known by name, so that transformers is imported by nobody but the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from negtrace.errors import InputError
from negtrace.models.alignment import Tokenizer
from negtrace.models.hugging_face_parts import (
    CLIP,
    activation_of,
    block_weights,
    blocks_of,
    check_parts,
)
from negtrace.models.open_clip_parts import check_class
from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import TowerShape
from negtrace.models.tower_weights import of_one_dtype
from negtrace.models.untouched import check_globally_untouched, check_loaded, check_untouched

CLIP_MODEL = "transformers.models.clip.modeling_clip.CLIPModel"
SIGLIP_MODEL = "transformers.models.siglip.modeling_siglip.SiglipModel"
EOS_UNSET = 2  # transformers' old default, which means "the largest id"


def kind_of(thing: object) -> str:
    """Full name of a thing's class."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def is_hugging_face_clip(model: object) -> bool:
    return kind_of(model) in (CLIP_MODEL, SIGLIP_MODEL)


class HuggingFaceClip:
    """transformers' model with open_clip's `encode_text` and `encode_image`.

    Args:
        model: a CLIPModel or SiglipModel.

    Raises:
        InputError: something may stand between its weights and its output.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.causal = kind_of(model) == CLIP_MODEL
        check_loaded(model)
        check_untouched("the model", model, ("get_text_features", "forward"))
        check_globally_untouched()
        check_parts("text_model", self.model.text_model)
        if self.causal:
            check_class("text_projection", self.model.text_projection, (nn.Linear,))
            check_untouched("text_projection", self.model.text_projection, ("forward",))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    @property
    def visual(self) -> nn.Module:
        visual: nn.Module = self.model.vision_model
        return visual

    def encode_text(
        self, tokens: Int[Tensor, "batch n"], normalize: bool = False
    ) -> Float[Tensor, "batch embed_dim"]:
        return _features(self.model.get_text_features(input_ids=tokens), normalize)

    def encode_image(
        self, pixels: Float[Tensor, "batch 3 h w"], normalize: bool = False
    ) -> Float[Tensor, "batch embed_dim"]:
        return _features(self.model.get_image_features(pixel_values=pixels), normalize)

    def text_tower(self, pad_id: int = 0) -> TextTower:
        """The text tower, sharing its weights.

        Raises:
            InputError: its structure is not the one that `tower.py` describes.
        """
        text = self.model.text_model
        blocks = blocks_of(text, CLIP)
        projection = self.model.text_projection if self.causal else text.head
        weights = {
            "token_embedding": text.embeddings.token_embedding.weight,
            "positional_embedding": text.embeddings.position_embedding.weight,
            "ln_final.weight": text.final_layer_norm.weight,
            "ln_final.bias": text.final_layer_norm.bias,
            "projection": projection.weight.T,
        }
        if projection.bias is not None:
            weights["projection_bias"] = projection.bias
        for number, block in enumerate(blocks, start=1):
            for name, weight in block_weights(block, CLIP):
                weights[f"blocks.{number}.{name}"] = weight
        eos = text.eos_token_id if self.causal else None
        shape = TowerShape(
            width=text.config.hidden_size,
            heads=text.config.num_attention_heads,
            layers=len(blocks),
            mlp_width=text.config.intermediate_size,
            context_length=len(weights["positional_embedding"]),
            vocab_size=len(weights["token_embedding"]),
            embed_dim=projection.out_features,
            activation=activation_of(blocks[0], CLIP),
            causal=self.causal,
            pool="eot" if self.causal else "last",
            ln_eps=text.final_layer_norm.eps,
            pad_id=pad_id,
            eos_id=None if eos == EOS_UNSET else eos,
        )
        return TextTower(shape, of_one_dtype(weights))

    def tokenizer(self, made: Any) -> Tokenizer:
        """What negtrace needs of the model's tokenizer or processor.

        A causal tower's sentences are padded with 0: what follows their end cannot matter, and
        CLIP's own padding is a second end token.

        Raises:
            InputError: it is neither.
        """
        inner = getattr(made, "tokenizer", made)
        if not callable(getattr(inner, "convert_ids_to_tokens", None)):
            raise InputError(
                f"tokenizers of class {kind_of(made)} are not supported; give the model's "
                "processor or tokenizer, as AutoProcessor.from_pretrained makes it"
            )
        context = self.model.text_model.config.max_position_embeddings

        def encode(sentence: str) -> list[int]:
            ids: list[int] = inner(sentence).input_ids
            return ids

        def padded(
            sentences: Sequence[str], context_length: int = context
        ) -> Int[Tensor, "batch n"]:
            if self.causal:
                rows = [encode(sentence)[:context_length] for sentence in sentences]
                return torch.tensor([row + [0] * (context_length - len(row)) for row in rows])
            ids: Tensor = inner(
                list(sentences),
                padding="max_length",
                max_length=context_length,
                truncation=True,
                return_tensors="pt",
            ).input_ids
            return ids

        def decode(token: int) -> str:
            return str(inner.convert_ids_to_tokens(token)).removesuffix("</w>")

        start_tokens = len(encode("")) - 1
        return Tokenizer(
            encode, decode, start_tokens, 0 if self.causal else inner.pad_token_id, padded
        )


def picture_reader(made: Any) -> Callable[[Any], Tensor] | None:
    """Picture to pixels [3, height, width], by a processor of transformers; None if it is none."""
    if not kind_of(made).startswith("transformers.") or not (
        hasattr(made, "image_processor") or hasattr(made, "image_mean")
    ):
        return None

    def pixels(picture: Any) -> Tensor:
        found: Tensor = made(images=picture, return_tensors="pt")["pixel_values"][0]
        return found

    return pixels


def _features(found: Any, normalize: bool) -> Tensor:
    features: Tensor = getattr(found, "pooler_output", found)
    return F.normalize(features, dim=-1) if normalize else features
