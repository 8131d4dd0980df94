"""A family as a user would write it: a small CLIP in plain torch, words as tokens."""

from zlib import crc32

import torch
import torch.nn.functional as F
from torch import nn

from negtrace.models.alignment import Tokenizer
from negtrace.models.openclip import LoadedModel
from negtrace.models.tower import TextTower
from negtrace.models.tower_shape import TowerShape

WIDTH, HEADS, LAYERS, CONTEXT, WORDS, EMBED = 16, 2, 2, 20, 4096, 8
START, END = WORDS, WORDS + 1


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        normed = self.before(x)
        q, k, v = (
            part(normed).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        heads = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(heads.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.between(x))))


class TinyClip(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(WORDS + 2, WIDTH)
        self.places = nn.Parameter(torch.randn(CONTEXT, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.last = nn.LayerNorm(WIDTH)
        self.to_shared = nn.Linear(WIDTH, EMBED, bias=False)
        self.pixels = nn.Linear(3 * 8 * 8, EMBED)
        self.logit_scale = nn.Parameter(torch.tensor(3.0))

    def encode_text(self, tokens, normalize=False):
        x = self.last(self.blocks(self.words(tokens) + self.places))
        found = self.to_shared(x[torch.arange(len(x)), tokens.argmax(dim=1)])
        return F.normalize(found, dim=-1) if normalize else found

    def encode_image(self, pixels, normalize=False):
        found = self.pixels(pixels.flatten(1))
        return F.normalize(found, dim=-1) if normalize else found


def preprocess(picture):
    values = torch.tensor(list(picture.convert("RGB").resize((8, 8)).tobytes()))
    return values.float().reshape(8, 8, 3).permute(2, 0, 1) / 255


def tokenizer():
    known = {START: "<start>", END: "<end>"}

    def encode(sentence):
        words = sentence.lower().replace(".", " .").split()
        ids = [1 + crc32(word.encode()) % (WORDS - 1) for word in words]
        known.update(zip(ids, words, strict=True))
        return [START, *ids, END]

    def padded(sentences, context_length=CONTEXT):
        rows = [encode(sentence) for sentence in sentences]
        return torch.tensor([row + [0] * (context_length - len(row)) for row in rows])

    return Tokenizer(encode, known.__getitem__, start_tokens=1, pad_id=0, own=padded)


def tower(model):
    shape = TowerShape(WIDTH, HEADS, LAYERS, 4 * WIDTH, CONTEXT, WORDS + 2, EMBED)
    weights = {
        "token_embedding": model.words.weight,
        "positional_embedding": model.places,
        "ln_final.weight": model.last.weight,
        "ln_final.bias": model.last.bias,
        "projection": model.to_shared.weight.T,
    }
    for number, block in enumerate(model.blocks, start=1):
        parts = (block.query, block.key, block.value)
        maps = {"ln_1": block.before, "out": block.out, "ln_2": block.between}
        maps |= {"fc": block.up, "proj": block.down}
        for kind in ("weight", "bias"):
            weights[f"blocks.{number}.qkv.{kind}"] = torch.cat([getattr(p, kind) for p in parts])
            for name, part in maps.items():
                weights[f"blocks.{number}.{name}.{kind}"] = getattr(part, kind)
    return TextTower(shape, weights)


def load(spec):
    torch.manual_seed(spec.options["seed"])
    return LoadedModel(TinyClip(), preprocess, tokenizer(), {}, tower)
