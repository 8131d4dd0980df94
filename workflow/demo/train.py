"""Train the demo model: a small open_clip CLIP that understands "no" in the demo world.

Every step draws scenes and sentence pairs (affirmative and negated, same form) and minimises, with
smoothed labels,

- a sigmoid loss over the full image x sentence truth matrix, the true and the false scenes of a
  sentence weighing the same, and
- a logistic loss on d = S(affirmative) - S(negated) of every image and pair.

Only combinations in `scenes.SEEN` occur, besides objects in colours and of shapes that no sentence
names, so that a shape is known in any colour and a colour on any shape.  Look-alikes (a sentence's
colour and its shape on different objects) are left out of the loss: they call for binding, which
this model does not have.
The weights kept are those of the best report on new scenes of *seen* combinations.
The same seed gives the same weights on the same machine.  The model card (README.md) has the
commands that made the shipped ones.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))
from negtrace.data import scenes

CONFIG = Path(__file__).with_name("negtrace-demo.json")
MEAN = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1)
STD = torch.tensor(open_clip.OPENAI_DATASET_STD).view(3, 1, 1)


class TrainingText(nn.Module):
    """The model's text encoder on short sentences, training only the tokens that occur."""

    def __init__(self, model: nn.Module, token_ids: Tensor) -> None:
        super().__init__()
        self.model = model
        self.token_ids = token_ids
        self.rows = torch.zeros(model.vocab_size, dtype=torch.long)
        self.rows[token_ids] = torch.arange(len(token_ids))
        self.embedding = nn.Parameter(model.token_embedding.weight[token_ids].detach().clone())

    def forward(self, tokens: Tensor) -> Tensor:
        """Unit-norm embeddings of sentences that all end within the given columns."""
        model, n = self.model, tokens.shape[1]
        x = F.embedding(self.rows[tokens], self.embedding) + model.positional_embedding[:n]
        x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:n, :n]))
        pooled = x[torch.arange(len(x)), tokens.argmax(dim=-1)]
        return F.normalize(pooled @ model.text_projection, dim=-1)

    @torch.no_grad()
    def write_back(self) -> None:
        """Copy the trained rows into the model's token embedding."""
        self.model.token_embedding.weight[self.token_ids] = self.embedding


def pixels(images: list) -> Tensor:
    """uint8 tensor [n, 3, height, width] of PIL pictures."""
    return torch.from_numpy(np.stack([np.asarray(i) for i in images])).permute(0, 3, 1, 2)


def normalise(images: Tensor) -> Tensor:
    """What open_clip's own preprocessing makes of pictures that have the model's size."""
    return (images.float() / 255 - MEAN) / STD


def training_scenes(
    count: int, shown: list[tuple[str, str]], rng: np.random.Generator
) -> list[scenes.Scene]:
    """Half of the scenes random, half built around a subject.

    A quarter each of the objects that they are filled with has an unnamed colour and an unnamed
    shape.
    """
    pool = []
    subjects = scenes.subjects(shown)
    any_colour = [(scenes.UNNAMED, shape) for shape in scenes.SHAPES]
    any_shape = [(colour, scenes.UNNAMED) for colour in scenes.COLOURS]
    half = len(shown) // 2
    others = [
        *shown,
        *any_colour * (half // len(any_colour)),
        *any_shape * (half // len(any_shape)),
    ]
    for number in range(count):
        if number % 2:
            pool.append(scenes.sample_scene(rng, others))
        else:
            subject = subjects[int(rng.integers(len(subjects)))]
            relation = ("present", "partial")[int(rng.integers(2))]
            pool.append(scenes.scene_about(subject, relation, rng, others))
    return pool


def presence(pool: list[scenes.Scene], subjects: list[scenes.Subject]) -> Tensor:
    """Truth of every subject in every scene, bool [scenes, subjects]."""
    return torch.tensor([[scene.shows(subject) for subject in subjects] for scene in pool])


def shares(subjects: list[scenes.Subject]) -> np.ndarray:
    """How often each subject is asked about: shapes, which are hard to see, more than colours."""
    kinds = np.array([(s.colour is not None) + 2 * (s.shape is not None) for s in subjects])
    share = np.array([0, 0.15, 0.35, 0.5])  # colour alone, shape alone, both
    return share[kinds] / np.bincount(kinds)[kinds]


def near_misses(truth: Tensor, subjects: list[scenes.Subject]) -> tuple[Tensor, Tensor]:
    """Scenes without a two-word subject that have its colour or its shape, and that have both.

    Both are bool [scenes, subjects]; the second are the look-alikes.
    """
    column = {subject: i for i, subject in enumerate(subjects)}
    two_words = torch.tensor([None not in (s.colour, s.shape) for s in subjects])
    colour = truth[:, [column.get(scenes.Subject(s.colour, None), 0) for s in subjects]]
    shape = truth[:, [column.get(scenes.Subject(None, s.shape), 0) for s in subjects]]
    absent = ~truth & two_words
    return absent & (colour ^ shape), absent & colour & shape


def balance(
    true: Tensor, partial: Tensor, look_alike: Tensor, share: float, true_share: float
) -> Tensor:
    """Weights [scenes, pairs] that sum to 1; the true scenes of a pair have a given share.

    Of the false ones, those with a partial match count three times as much as the rest;
    look-alikes have the given share of a partial match's weight.
    """
    false = ~(true | partial | look_alike)

    def per_pair(cells: Tensor) -> Tensor:
        return cells / cells.sum(0).clamp(min=1e-6)

    near = per_pair(partial.float() + share * look_alike.float())
    far = per_pair(false.float())
    unlike = per_pair(3 * near + far)
    return (true_share * per_pair(true.float()) + (1 - true_share) * unlike) / true.shape[1]


def drop_neurons(model: nn.Module, share: float) -> None:
    """Dropout on the MLPs of both towers while training: combinations must not be memorised."""

    def hook(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        return F.dropout(output, share, training=model.training)

    for tower in (model.transformer, model.visual.transformer):
        for block in tower.resblocks:
            block.mlp.gelu.register_forward_hook(hook)


def sentence_tokens(subjects: list[scenes.Subject], tokenizer: open_clip.SimpleTokenizer) -> Tensor:
    """Token ids [subjects, forms, phrases, 2 (affirmative, negated), columns]."""
    texts = [
        scenes.sentence(subject, form, negated, phrase)
        for subject in subjects
        for form in scenes.FORMS
        for phrase in scenes.TRAILING_PHRASES
        for negated in (False, True)
    ]
    tokens = tokenizer(texts)
    tokens = tokens[:, : int(tokens.argmax(-1).max()) + 1]
    return tokens.view(len(subjects), len(scenes.FORMS), len(scenes.TRAILING_PHRASES), 2, -1)


@torch.no_grad()
def margins(
    model: nn.Module, text: TrainingText, tokenizer: open_clip.SimpleTokenizer, items: list
) -> np.ndarray:
    """d = S(caption) - S(foil) of every item, [items]."""
    pictures = model.encode_image(normalise(pixels([scenes.render(i.scene) for i in items])))
    tokens = [tokenizer([getattr(i, kind) for i in items])[:, :16] for kind in ("caption", "foil")]
    caption, foil = (text(t) for t in tokens)
    cosine = ((caption - foil) * F.normalize(pictures, dim=-1)).sum(-1)
    return (model.logit_scale.exp() * cosine).numpy()


def accuracy(d: np.ndarray, items: list) -> dict[str, float]:
    """Share of items with d > 0 by place of the negation and kind of combination."""
    rows: dict[str, list[bool]] = {}
    for item, value in zip(items, d, strict=True):
        negation = "caption" if " no " in item.caption else "foil"
        kind = "unseen" if item.subject.unseen else "seen"
        rows.setdefault(f"{negation}/{kind}", []).append(value > 0)
    return {key: round(float(np.mean(hits)), 4) for key, hits in sorted(rows.items())}


def smoothed(sign: Tensor, logit: Tensor, smoothing: float) -> Tensor:
    """Logistic loss of a logit whose sign should be `sign`, with label smoothing."""
    return F.softplus(-sign * logit) + smoothing * sign * logit


def weighted_loss(
    scores: Tensor, bias: Tensor, sign: Tensor, weights: Tensor, smoothing: float
) -> Tensor:
    """The loss from scores [scenes, pairs, 2 (affirmative, negated)] and the truth's sign."""
    losses = (
        smoothed(sign, scores[..., 0] + bias, smoothing)
        + smoothed(-sign, scores[..., 1] + bias, smoothing)
        + smoothed(sign, scores[..., 0] - scores[..., 1], smoothing)
    )
    return (losses * weights).sum()


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(args.seed)
    open_clip.add_model_config(CONFIG)
    model = open_clip.create_model(CONFIG.stem)
    model.logit_scale.data.fill_(np.log(10.0))
    if args.start:
        weights = load_file(args.start)
        model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    bias = nn.Parameter(torch.tensor(0.0))
    tokenizer = open_clip.get_tokenizer(CONFIG.stem)
    shown = [c for c in scenes.SEEN if " ".join(c) not in args.left_out]
    subjects = scenes.subjects(shown)
    vocabulary = sentence_tokens(subjects, tokenizer)
    text = TrainingText(model, vocabulary.unique())
    pool = training_scenes(args.pool, shown, rng)
    truth = presence(pool, subjects)
    partial, look_alike = near_misses(truth, subjects)
    images = pixels([scenes.render(scene) for scene in tqdm(pool, "scenes", mininterval=5)])
    subject_shares = shares(subjects)
    held_out = list(scenes.sample_items(1200, args.seed + 10_000))

    drop_neurons(model, args.dropout)
    model.token_embedding.weight.requires_grad_(False)
    parameters = [*model.parameters(), text.embedding, bias]
    trained = [p for p in parameters if p.requires_grad]
    decayed = [p for p in trained if p.ndim > 1]
    plain = [p for p in trained if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": args.decay}, {"params": plain, "weight_decay": 0.0}],
        lr=args.rate,
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, args.rate, args.steps, pct_start=0.08, cycle_momentum=False
    )
    best = 0.0
    steps = tqdm(range(1, args.steps + 1), "steps", mininterval=5)
    for step in steps:
        chosen = torch.from_numpy(rng.integers(len(pool), size=args.scenes))
        about = torch.from_numpy(rng.choice(len(subjects), size=args.pairs, p=subject_shares))
        form = torch.from_numpy(rng.choice(len(scenes.FORMS), size=args.pairs, p=(0.3, 0.4, 0.3)))
        phrase = torch.from_numpy(rng.integers(len(scenes.TRAILING_PHRASES), size=args.pairs))
        tokens = vocabulary[about, form, phrase]  # [pairs, 2, columns]
        tokens = tokens[..., : int(tokens.argmax(-1).max()) + 1]
        sentences = text(tokens.flatten(0, 1)).unflatten(0, (-1, 2))
        pictures = F.normalize(model.encode_image(normalise(images[chosen])), dim=-1)
        cosine = torch.einsum("ie,spe->isp", pictures, sentences)
        scores = model.logit_scale.exp() * cosine
        cells = (chosen[:, None], about)
        sign = torch.where(truth[cells], 1.0, -1.0)
        weights = balance(
            truth[cells], partial[cells], look_alike[cells], args.look_alikes, args.true_share
        )
        if args.start and step == 1:  # the bias is not a part of the model, so find it anew
            tried = torch.linspace(-20, 20, 161)
            losses = [weighted_loss(scores, b, sign, weights, args.smoothing) for b in tried]
            bias.data = tried[int(torch.stack(losses).argmin())]
        loss = weighted_loss(scores, bias, sign, weights, args.smoothing)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        if step % args.report == 0 or step == args.steps:
            model.eval()
            d = margins(model, text, tokenizer, held_out)
            found = accuracy(d, held_out)
            model.train()
            seen = min(share for key, share in found.items() if key.endswith("/seen"))
            kept = seen >= best
            if kept:
                best = seen
                text.write_back()
                save(model, args.output)
            steps.write(
                f"step {step} loss {loss.item():.3f} scale {model.logit_scale.exp().item():.1f} "
                f"|d|>=1 {np.mean(np.abs(d) >= 1):.3f} {found}{' kept' if kept else ''}"
            )
            sys.stdout.flush()


def save(model: nn.Module, path: Path) -> None:
    """Half-precision state dict, written under a temporary name and renamed."""
    state = {name: w.detach().half().contiguous() for name, w in model.state_dict().items()}
    temporary = path.with_name(f".{path.name}.tmp")
    save_file(state, temporary)
    os.replace(temporary, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=CONFIG.with_suffix(".safetensors"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--scenes", type=int, default=384, help="scenes per step")
    parser.add_argument("--pairs", type=int, default=24, help="sentence pairs per step")
    parser.add_argument("--pool", type=int, default=40000, help="rendered training scenes")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--smoothing", type=float, default=0.03)
    parser.add_argument("--look-alikes", type=float, default=0.0, help="their weight in the loss")
    parser.add_argument(
        "--true-share", type=float, default=0.5, help="weight of true scenes in the loss"
    )
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument(
        "--left-out", nargs="*", default=[], help='combinations left out as well, as "black moon"'
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--report", type=int, default=100, help="steps between reports")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
