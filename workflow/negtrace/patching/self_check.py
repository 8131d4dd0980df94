"""Self-check: an extracted text tower against the model's own `encode_text`.

Sentences go through both, the model's side beginning with its own tokenizer.  Of many sentences a
sample is taken that holds every token id and every length among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from negtrace.errors import InputError
from negtrace.messages import one_line
from negtrace.models.alignment import Tokenizer
from negtrace.models.sentence_faults import longest_sentence, sentence_fault
from negtrace.models.tower import TextTower
from negtrace.patching.forward_passes import run_sentences

if TYPE_CHECKING:
    from open_clip.model import CLIP

# Largest difference of an entry of two unit-norm embeddings that rounding explains.
TOLERANCES = {
    torch.float64: 1e-8,
    torch.float32: 1e-4,
    torch.float16: 2e-2,
    torch.bfloat16: 1e-1,
}

ALL_UP_TO = 128  # distinct sentences
BATCH = 32

PROBES = ("There are no dogs.", "There are some dogs.", "A cat", "No red stars, or 2 of them")

UNKNOWN_REASON = (
    "something besides its modules and weights takes part in its forward pass (a method that was "
    "replaced, a context that changes precision)"
)


@torch.no_grad()
def check_tower(
    model: nn.Module, tower: TextTower, tokenizer: Tokenizer, sentences: Sequence[str] = PROBES
) -> None:
    """Compare a tower's embeddings of sentences with the model's own.

    Args:
        model: open_clip model in evaluation mode, on one device.
        tower: extracted from it, or stored; it is compared as it is.
        tokenizer: the model's.
        sentences: any; probes by default, of which those that are too long are left out.

    Raises:
        InputError: a sentence cannot be read, the tokens differ from those that the model gets,
            or the embeddings differ beyond rounding; names the sentence and the deviation.
    """
    tokens = {text: [int(token) for token in tokenizer.encode(text)] for text in sentences}
    if sentences is PROBES:
        longest = longest_sentence(tower.shape)
        tokens = {text: ids for text, ids in tokens.items() if len(ids) <= longest}
    for text, ids in tokens.items():
        if fault := sentence_fault(ids, tower.shape):
            raise InputError(f"sentence {text!r}: {fault}")
    sample = covering_sample(tokens)
    tolerance = tolerance_of(model)
    worst, worst_text = 0.0, ""
    for start in range(0, len(sample), BATCH):
        texts = sample[start : start + BATCH]
        given = model_tokens(tokenizer, tower, texts, tokens)
        expected = own_embeddings(model, given, texts)
        found = run_sentences(tower, [tower.shape.complete(tokens[text]) for text in texts])
        differences = (found.embedding.double().cpu() - expected).abs().amax(dim=1)
        if not differences.isfinite().all():
            at = int((~differences.isfinite()).int().argmax())
            raise InputError(
                f"the extracted text tower gives NaN or infinity for {texts[at]!r}; use a higher "
                "precision"
            )
        if float(differences.max()) > worst:
            worst, worst_text = float(differences.max()), texts[int(differences.argmax())]
    if worst > tolerance:
        raise InputError(
            f"the extracted text tower departs from the model's own encode_text by {worst:.2g} (at "
            f"most {tolerance:.0e} allowed), most for {worst_text!r}: {UNKNOWN_REASON}; this model "
            "cannot be traced"
        )


def covering_sample(tokens: Mapping[str, Sequence[int]]) -> list[str]:
    """All sentences if they are few; else enough to hold every token id and every length.

    Args:
        tokens: token ids of each sentence.
    """
    if len(tokens) <= ALL_UP_TO:
        return list(tokens)
    seen: set[tuple[str, int]] = set()
    sample = []
    for text in sorted(tokens, key=lambda text: -len(set(tokens[text]))):
        holds = {("length", len(tokens[text])), *(("id", token) for token in tokens[text])}
        if not holds <= seen:
            sample.append(text)
            seen |= holds
    return sample


def model_tokens(
    tokenizer: Tokenizer,
    tower: TextTower,
    texts: Sequence[str],
    tokens: Mapping[str, Sequence[int]],
) -> Int[Tensor, "batch context"]:
    """What the model gets of sentences: its tokenizer's padded ids.

    Raises:
        InputError: they are not the traced tokens followed by padding, up to the model's context.
    """
    shape = tower.shape
    given: Tensor = tokenizer.own(list(texts))
    longest = max(len(tokens[text]) for text in texts)
    if shape.hides_padding and given.shape[1] >= longest:
        pass  # any padding is as good
    elif given.shape[1] != shape.context_length:
        if shape.reads_whole_context:
            raise InputError(
                f"the tokenizer fills sentences up to {given.shape[1]} tokens, the model reads "
                f"{shape.context_length}; use open_clip.get_tokenizer(..., context_length="
                f"{shape.context_length})"
            )
        given = tokenizer.own(list(texts), context_length=shape.context_length)
    for text, row in zip(texts, given.tolist(), strict=True):
        ids = list(tokens[text])
        if row[: len(ids)] != ids:
            why = "gives the model other tokens than it cuts it into; use it without options"
            if row[-len(ids) :] == ids:
                why = "pads it on the left; set its padding_side to 'right'"
            raise InputError(f"sentence {text!r}: the tokenizer {why}")
        if any(token != shape.pad_id for token in row[len(ids) :]):
            raise InputError(
                f"sentence {text!r}: the tokenizer fills it up with other tokens than "
                f"{shape.pad_id}; such padding cannot be traced"
            )
    return given


def own_embeddings(
    model: CLIP, given: Int[Tensor, "batch context"], texts: Sequence[str]
) -> Float[Tensor, "batch embed_dim"]:
    """The model's own unit-norm embeddings, float64 on the CPU.

    Raises:
        InputError: the model fails, or an embedding is not finite.
    """
    try:
        own: Tensor = model.encode_text(given.to(model.logit_scale.device), normalize=True)
        own = own.double().cpu()
    except Exception as error:
        raise InputError(
            f"the model's own encode_text fails ({one_line(error)}); load it so that encode_text "
            "works, on one device"
        ) from error
    finite = own.isfinite().all(dim=1)
    if not finite.all():
        at = int((~finite).int().argmax())
        raise InputError(
            f"the model's own encode_text gives NaN or infinity for {texts[at]!r}; use a higher "
            "precision, or other weights"
        )
    return own


def tolerance_of(model: nn.Module) -> float:
    """What rounding explains at the lowest precision of a model's weights."""
    dtypes = {weight.dtype for weight in model.parameters() if weight.is_floating_point()}
    return max(TOLERANCES.get(dtype, 0.0) for dtype in dtypes)


def check_finite(model: nn.Module) -> None:
    """Look for weights that are not numbers.

    Raises:
        InputError: a weight or the logit scale is not finite; names it.
    """
    for name, weight in model.state_dict().items():
        if weight.is_floating_point() and not weight.isfinite().all():
            count = int((~weight.isfinite()).sum())
            raise InputError(
                f"{count} of {weight.numel()} values of the model's weight {name!r} are NaN or "
                "infinite; use an undamaged checkpoint"
            )
    logit_scale(model)


def logit_scale(model: CLIP) -> float:
    """Factor between a cosine and a score.

    Raises:
        InputError: it is not a positive finite number.
    """
    stored = float(model.logit_scale.detach().double())
    scale = float(model.logit_scale.detach().exp())
    if not 0 < scale < float("inf"):
        raise InputError(
            f"the model's logit_scale is {stored:.6g}, whose exponential is {scale}; it must be "
            "stored as a logarithm (100 as 4.6052)"
        )
    return scale
