"""The tables of the model card: held-out accuracy of shipped weights, by their own preprocessing.

python workflow/demo/card.py workflow/demo/negtrace-demo.safetensors
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
from held_out import Question, accuracy, answers, family, template_questions, valse_questions

from negtrace.data.demo_world.drawing import render
from negtrace.models.openclip import LoadedModel, ModelSpec, load

EACH, ITEMS, SEED = 96, 2400, 424242
PARTS = 512  # pictures or sentences at once


@torch.inference_mode()
def margins(loaded: LoadedModel, asked: list[Question]) -> np.ndarray:
    """d = S(true) - S(false) of every question by open_clip's own encoders, [questions]."""
    model = loaded.model

    def encoded(texts: list[str]) -> Tensor:
        parts = [texts[i : i + PARTS] for i in range(0, len(texts), PARTS)]
        tokens = [loaded.tokenizer.own(part) for part in parts]
        return torch.cat([model.encode_text(part, normalize=True) for part in tokens])

    pixels = [loaded.preprocess(render(question.scene)) for question in asked]
    pictures = torch.cat(
        [
            model.encode_image(torch.stack(pixels[i : i + PARTS]), normalize=True)
            for i in range(0, len(pixels), PARTS)
        ]
    )
    apart = encoded([q.true for q in asked]) - encoded([q.false for q in asked])
    d: np.ndarray = (model.logit_scale.exp() * (apart * pictures).sum(-1)).numpy()
    return d


def shown(table: pd.DataFrame) -> str:
    """A table of shares in Markdown; empty where there is no question."""
    cells = table.map(lambda share: "" if np.isnan(share) else f"{share:.1%}")
    names = [*table.index.names, *(" ".join(np.atleast_1d(column)) for column in table.columns)]
    rows = [
        [*map(str, np.atleast_1d(index)), *row]
        for index, row in zip(table.index, cells.to_numpy(), strict=True)
    ]
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main() -> None:
    weights = Path(sys.argv[1])
    config = Path(__file__).with_name("negtrace-demo.json")
    loaded = load(ModelSpec(str(config), str(weights)))
    asked = [*valse_questions(ITEMS, SEED), *template_questions(EACH, SEED)]
    found = answers(asked, margins(loaded, asked))
    found["family"] = found["template"].map(family)
    found["unseen"] = np.where(found["combination"] == "unseen", "unseen", "seen")
    print(f"{len(found)} questions\n")
    print(shown(accuracy(found, "family", "unseen", "relation").unstack([1, 2])), end="\n\n")
    bound = found[found["relation"] != "look_alike"]
    print(shown(accuracy(bound, "template", "negator", "unseen").unstack(2)))
    print("\n|d| >= 1:", round(float((found["d"].abs() >= 1).mean()), 3))


if __name__ == "__main__":
    main()
