"""Train a demo model: a small open_clip CLIP that understands negation in the demo world.

First the image encoder, without a sentence (`pictures.py`).  Then the text encoder, for pictures
that stay as they are: every step draws scenes and pairs of sentences (`batches.py`) and minimises,
with smoothed labels,

- a sigmoid loss over the full image x sentence truth matrix, the true and the false scenes of a
  sentence weighing the same, and
- a logistic loss on d = S(affirmative) - S(negated) of every image and pair.

With `--affirmative` the text encoder reads no negated sentence: the contrast model, of the same
pictures.  The combinations in `scenes.UNSEEN` are neither pictured nor named.
The same seed gives the same weights on the same machine.  The model card (README.md) has the
commands of the shipped weights.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import Pair, Speaker, Truth, all_texts, truth_of
from held_out import Question, accuracy, answers, family, template_questions, valse_questions
from pictures import (
    drop_neurons,
    fitted_table,
    learn_pictures,
    normalise,
    optimiser_of,
    pixels,
    smoothed,
)
from world import World

from negtrace.data.demo_world.drawing import render

UNTRAINED = 0.02  # size of the embeddings of tokens that do not occur
CONFIG = Path(__file__).with_name("negtrace-demo.json")


class TrainingText(nn.Module):
    """The model's text encoder on short sentences, training only the tokens that occur."""

    def __init__(self, model: nn.Module, token_ids: Tensor) -> None:
        super().__init__()
        self.model = model
        self.token_ids = token_ids
        self.rows = torch.zeros(model.vocab_size, dtype=torch.long)
        self.rows[token_ids] = torch.arange(len(token_ids))
        # Tokens that do not occur: two values, so that the file packs to a quarter of its size.
        known = model.token_embedding.weight.data
        trained = known[token_ids].clone()
        known.copy_(UNTRAINED * known.sign())
        known[token_ids] = trained
        self.embedding = nn.Parameter(model.token_embedding.weight[token_ids].detach().clone())

    def forward(self, tokens: Tensor) -> Tensor:
        """Unit-norm embeddings of sentences that all end within the given columns."""
        model, n = self.model, tokens.shape[1]
        x = F.embedding(self.rows[tokens], self.embedding) + model.positional_embedding[:n]
        x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:n, :n]))
        pooled = x[torch.arange(len(x)), tokens.argmax(dim=-1)]
        return F.normalize(pooled @ model.text_projection, dim=-1)

    def trained(self) -> list[nn.Parameter]:
        """The text encoder's parameters, and the scale of scores."""
        model = self.model
        return [
            self.embedding,
            model.positional_embedding,
            model.text_projection,
            model.logit_scale,
            *model.transformer.parameters(),
            *model.ln_final.parameters(),
        ]

    @torch.no_grad()
    def write_back(self) -> None:
        """Copy the trained rows into the model's token embedding."""
        self.model.token_embedding.weight[self.token_ids] = self.embedding


def tokenised(texts: list[str], tokenizer: open_clip.SimpleTokenizer) -> Tensor:
    """Token ids [texts, columns], cut behind the longest text."""
    tokens = tokenizer(texts)
    return tokens[:, : int(tokens.argmax(-1).max()) + 1]


@torch.no_grad()
def embedded(model: nn.Module, images: Tensor) -> Tensor:
    """Unit-norm embeddings of uint8 pictures."""
    parts = [model.encode_image(normalise(part)) for part in images.split(512)]
    return F.normalize(torch.cat(parts), dim=-1)


@torch.no_grad()
def margins(
    text: TrainingText,
    tokenizer: open_clip.SimpleTokenizer,
    asked: list[Question],
    pictures: Tensor,
) -> np.ndarray:
    """d = S(true) - S(false) of every question, [questions]."""
    true, false = (
        torch.cat([text(part) for part in tokenised(texts, tokenizer).split(512)])
        for texts in ([q.true for q in asked], [q.false for q in asked])
    )
    return (text.model.logit_scale.exp() * ((true - false) * pictures).sum(-1)).numpy()


def sentence_loss(scores: Tensor, truth: Truth, smoothing: float) -> Tensor:
    """The loss from scores [scenes, pairs, 2 (affirmative, negated)], or only the first."""
    false = smoothed(-torch.ones(()), scores, smoothing).mean(-1)
    loss = (smoothed(truth.sign, scores[..., 0], smoothing) * truth.weights).sum()
    loss = loss + (false * truth.broken).sum() / 2
    if scores.shape[-1] == 1:
        return loss
    d = scores[..., 0] - scores[..., 1]
    loss = loss + (smoothed(-truth.sign, scores[..., 1], smoothing) * truth.weights).sum()
    return loss + (smoothed(truth.sign, d, smoothing) * truth.d_weights).sum()


def distance(affirmative: Tensor, pairs: list[Pair], table: Tensor) -> Tensor:
    """1 - cosine of sentences of one clause and what the pictures' table has for their subjects."""
    alone = [n for n, pair in enumerate(pairs) if pair.context is None]
    wanted = table[[pairs[n].subject for n in alone]]
    return (1 - (affirmative[alone] * wanted).sum(-1)).mean()


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    open_clip.add_model_config(args.config)
    model = open_clip.create_model(args.config.stem)
    model.logit_scale.data.fill_(np.log(10.0))
    tokenizer = open_clip.get_tokenizer(args.config.stem)
    rng = np.random.default_rng(args.seed)
    world = World(args.pool, rng)
    images = pixels([render(scene) for scene in world.pool])
    drop_neurons(model.visual, args.dropout)
    drop_neurons(model, args.dropout)
    if args.start:
        weights = load_file(args.start)
        model.load_state_dict({name: w.float() for name, w in weights.items()}, strict=False)
        model.half().float()  # as files hold weights, those of a text encoder that is new, too
    else:
        learn_pictures(model.visual, world, images, rng, args.picture_steps, args.report)
        save({f"visual.{n}": w for n, w in model.visual.state_dict().items()}, args.output)
    if args.steps:
        model.requires_grad_(False).eval()
        learn_sentences(model, tokenizer, world, embedded(model, images), rng, args)


def learn_sentences(
    model: nn.Module,
    tokenizer: open_clip.SimpleTokenizer,
    world: World,
    pictures: Tensor,
    rng: np.random.Generator,
    args: argparse.Namespace,
) -> None:
    """Train the text encoder for embedded pictures, saving as it goes."""
    text = TrainingText(model, tokenizer(all_texts(world.subjects)).unique())
    table = fitted_table(pictures, world, rng, args.table_steps)
    parameters = [p.requires_grad_() for p in text.trained()]
    optimiser, schedule = optimiser_of(parameters, args.rate, args.decay, args.steps)
    speaker = Speaker(world, rng)
    held_out = [*valse_questions(1200, 10_000), *template_questions(24, 10_001)]
    asked_pictures = embedded(model, pixels([render(q.scene) for q in held_out]))
    started = time.time()
    model.train()
    for step in range(1, args.steps + 1):
        chosen = torch.from_numpy(rng.integers(len(pictures), size=args.scenes))
        pairs = speaker.pairs(args.pairs, chosen.numpy())
        said = [
            s for p in pairs for s in (p.affirmative, p.negated)[: 1 if args.affirmative else 2]
        ]
        sentences = text(tokenised(said, tokenizer)).unflatten(0, (len(pairs), -1))
        cosine = torch.einsum("ie,spe->isp", pictures[chosen], sentences)
        scores = model.logit_scale.exp() * cosine
        loss = sentence_loss(scores, truth_of(world, chosen, pairs), args.smoothing)
        loss = loss + args.table * distance(sentences[:, 0], pairs, table)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % args.report == 0 or step == args.steps:
            model.eval()
            d = margins(text, tokenizer, held_out, asked_pictures)
            model.train()
            text.write_back()
            save(model.state_dict(), args.output)
            found = answers(held_out, d)
            found["family"] = found["template"].map(family)
            shares = accuracy(found, "family", "combination", "relation").unstack([1, 2])
            scale = model.logit_scale.exp().item()
            print(
                f"step {step} {time.time() - started:.0f} s loss {loss.item():.3f} "
                f"scale {scale:.1f}\n{shares.round(3).to_string()}",
                flush=True,
            )


def save(weights: dict[str, Tensor], path: Path) -> None:
    """Half-precision weights, written under a temporary name and renamed."""
    state = {name: weight.detach().half().contiguous() for name, weight in weights.items()}
    temporary = path.with_name(f".{path.name}.tmp")
    save_file(state, temporary)
    os.replace(temporary, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--output", type=Path, default=CONFIG.with_suffix(".safetensors"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pool", type=int, default=40000, help="rendered training scenes")
    parser.add_argument("--picture-steps", type=int, default=2400, help="of the image encoder")
    parser.add_argument(
        "--start", type=Path, help="weights to go on from: of the image encoder alone, or of both"
    )
    parser.add_argument("--steps", type=int, default=1800, help="of the text encoder")
    parser.add_argument("--table", type=float, default=2.0, help="weight of the distance to it")
    parser.add_argument("--table-steps", type=int, default=600, help="to fit the table")
    parser.add_argument("--scenes", type=int, default=768, help="scenes per step")
    parser.add_argument("--pairs", type=int, default=48, help="sentence pairs per step")
    parser.add_argument("--affirmative", action="store_true", help="no negated sentences")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.3)
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--smoothing", type=float, default=0.03)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--report", type=int, default=200, help="steps between reports")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
