"""Train the demo model: a small open_clip CLIP that understands "no" in the demo world.

Every step draws scenes and sentence pairs (affirmative and negated, same form) and minimises

- a sigmoid loss over the full image x sentence truth matrix, true cells, look-alikes and
  other false cells of a sentence weighing the same, and
- a logistic loss on d = S(affirmative) - S(negated) of every image and pair.

Only combinations in `scenes.SEEN` occur.  The same seed gives the same weights on the same machine.

    python workflow/demo/train.py --output workflow/demo/negtrace-demo.safetensors
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
from safetensors.torch import save_file
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from negtrace import scenes

CONFIG = Path(os.environ.get("CFG") or Path(__file__).with_name("negtrace-demo.json"))
SHOWN = scenes.COMBINATIONS if os.environ.get("SHOW") else scenes.SEEN
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


def training_scenes(count: int, rng: np.random.Generator) -> list[scenes.Scene]:
    """Random scenes, and as many built around a subject (present, or absent with look-alikes)."""
    pool = []
    subjects = scenes.subjects(scenes.SEEN)
    for number in range(count):
        if number % 2:
            pool.append(scenes.sample_scene(rng, SHOWN))
        else:
            subject = subjects[int(rng.integers(len(subjects)))]
            present = rng.integers(2)
            hard = None not in (subject.colour, subject.shape)
            pool.append(scenes.scene_about(subject, bool(present), hard, rng, SHOWN))
    return pool


def presence(pool: list[scenes.Scene], subjects: list[scenes.Subject]) -> Tensor:
    """Truth of every subject in every scene, bool [scenes, subjects]."""
    return torch.tensor([[scene.shows(subject) for subject in subjects] for scene in pool])


def look_alikes(truth: Tensor, subjects: list[scenes.Subject]) -> Tensor:
    """Scenes that have a two-word subject's colour and its shape, but not on one object."""
    column = {subject: i for i, subject in enumerate(subjects)}
    colour = [column.get(scenes.Subject(s.colour, None), -1) for s in subjects]
    shape = [column.get(scenes.Subject(None, s.shape), -1) for s in subjects]
    two_words = torch.tensor([None not in (s.colour, s.shape) for s in subjects])
    return truth[:, colour] & truth[:, shape] & ~truth & two_words


def balance(true: Tensor, hard: Tensor) -> Tensor:
    """Weights under which true, look-alike and other false scenes of a sentence count the same."""
    groups = torch.stack([true, hard, ~true & ~hard]).float()
    weights = groups / groups.sum(1, keepdim=True).clamp(min=1)
    return weights.sum(0) / weights.sum()


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
def accuracy(model: nn.Module, text: TrainingText, tokenizer, seed: int, count: int) -> dict:
    """Share of items with S(caption) > S(foil) on new scenes, by condition."""
    items = list(scenes.sample_items(count, seed))
    images = F.normalize(
        model.encode_image(normalise(pixels([scenes.render(i.scene) for i in items]))), dim=-1
    )
    tokens = [tokenizer([getattr(i, kind) for i in items])[:, :16] for kind in ("caption", "foil")]
    caption, foil = (text(t) for t in tokens)
    d = model.logit_scale.exp() * ((caption - foil) * images).sum(-1)
    rows: dict[str, list[float]] = {}
    for item, value in zip(items, d.tolist(), strict=True):
        negation = "caption" if " no " in item.caption else "foil"
        rows.setdefault(f"{negation}/{'unseen' if item.subject.unseen else 'seen'}", []).append(
            value
        )
    return {
        key: (round(float(np.mean(np.array(v) > 0)), 4), round(float(np.mean(np.array(v) > 1)), 3))
        for key, v in sorted(rows.items())
    }


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(args.seed)
    open_clip.add_model_config(CONFIG)
    model = open_clip.create_model(CONFIG.stem)
    model.logit_scale.data.fill_(np.log(10.0))
    bias = nn.Parameter(torch.tensor(0.0))
    tokenizer = open_clip.get_tokenizer(CONFIG.stem)
    subjects = scenes.subjects(scenes.SEEN)
    vocabulary = sentence_tokens(subjects, tokenizer)
    text = TrainingText(model, vocabulary.unique())
    pool = training_scenes(args.pool, rng)
    truth = presence(pool, subjects)
    hard = look_alikes(truth, subjects)
    images = pixels([scenes.render(scene) for scene in pool])
    print(f"{len(pool)} scenes, {len(subjects)} subjects, {len(text.token_ids)} tokens", flush=True)

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
    start = time.time()
    for step in range(1, args.steps + 1):
        chosen = torch.from_numpy(rng.integers(len(pool), size=args.scenes))
        about = torch.from_numpy(rng.integers(len(subjects), size=args.pairs))
        form = torch.from_numpy(rng.choice(len(scenes.FORMS), size=args.pairs, p=(0.3, 0.4, 0.3)))
        phrase = torch.from_numpy(rng.integers(len(scenes.TRAILING_PHRASES), size=args.pairs))
        tokens = vocabulary[about, form, phrase]  # [pairs, 2, columns]
        sentences = text(tokens.flatten(0, 1)).unflatten(0, (-1, 2))
        pictures = F.normalize(model.encode_image(normalise(images[chosen])), dim=-1)
        cosine = torch.einsum("ie,spe->isp", pictures, sentences)
        scores = model.logit_scale.exp() * cosine
        true = truth[chosen][:, about]
        sign = torch.where(true, 1.0, -1.0)
        d = scores[..., 0] - scores[..., 1]
        losses = (
            F.softplus(-sign * (scores[..., 0] + bias))
            + F.softplus(sign * (scores[..., 1] + bias))
            + F.softplus(-sign * d)
        )
        loss = (losses * balance(true, hard[chosen][:, about])).sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        model.logit_scale.data.clamp_(max=np.log(100.0))
        if step % args.report == 0 or step == args.steps:
            model.eval()
            found = accuracy(model, text, tokenizer, seed=args.seed + 10_000, count=600)
            model.train()
            print(
                f"step {step} {time.time() - start:.0f} s loss {loss.item():.3f} "
                f"scale {model.logit_scale.exp().item():.1f} {found}",
                flush=True,
            )
    text.write_back()
    save(model, args.output)


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
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--scenes", type=int, default=256, help="scenes per step")
    parser.add_argument("--pairs", type=int, default=32, help="sentence pairs per step")
    parser.add_argument("--pool", type=int, default=30000, help="rendered training scenes")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--report", type=int, default=100, help="steps between reports")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
