"""The demo world's benchmark: items about scenes in VALSE's JSON format, pictures and masks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from negtrace.data.demo_world.drawing import render, subject_mask
from negtrace.data.demo_world.scenes import (
    SEEN,
    UNSEEN,
    Relation,
    Scene,
    Subject,
    scene_about,
    subjects,
)
from negtrace.data.demo_world.sentences import FORMS, TRAILING_PHRASES, sentence
from negtrace.tables.store import atomic_path, write_text


@dataclass(frozen=True)
class Item:
    """One benchmark item: a scene, a subject, and the true and the false sentence."""

    item_id: str
    scene: Scene
    subject: Subject
    caption: str
    foil: str
    votes: int
    picture: str = ""  # name of a picture that several items are about

    @property
    def image_file(self) -> str:
        return f"{self.picture or self.item_id}.png"


def sample_items(
    count: int, seed: int, absent: Sequence[Relation] = ("absent", "partial")
) -> Iterator[Item]:
    """A balanced set of items: presence, unseen combinations, number, near misses.

    Half of the items have the negation in the caption; a third are about an unseen combination;
    where a two-word subject is absent, half of the scenes share its colour or its shape.
    Every 25th item has too few annotator votes for its caption.

    Args:
        absent: how the scenes of an absent two-word subject relate to it, in equal shares.
    """
    rng = np.random.default_rng(seed)
    one_word, unseen = subjects(()), [Subject(*combination) for combination in UNSEEN]
    seen = [Subject(*combination) for combination in SEEN]
    for number in range(count):
        present = bool(number % 2)
        kind = (unseen, seen, (seen, seen, one_word)[number // 6 % 3])[number // 2 % 3]
        subject = kind[int(rng.integers(len(kind)))]
        relation = "present" if present else absent[int(rng.integers(len(absent)))]
        form = FORMS[int(rng.choice(3, p=(0.3, 0.6, 0.1)))]
        phrase = TRAILING_PHRASES[int(rng.integers(len(TRAILING_PHRASES)))]
        affirmative, negated = (sentence(subject, form, no, phrase) for no in (False, True))
        yield Item(
            item_id=f"existence_shapes_{seed}_{number:05d}",
            scene=scene_about(subject, relation, rng),
            subject=subject,
            caption=affirmative if present else negated,
            foil=negated if present else affirmative,
            votes=1 if number % 25 == 24 else 2 + int(rng.integers(2)),
        )


def sample_couples(count: int, seed: int) -> Iterator[Item]:
    """Items of which two each are about one picture: of whether it shows a subject, and another.

    The four combinations are equally frequent.  The second subject has another colour and another
    shape than the first, so that either may be there or not.
    """
    rng = np.random.default_rng(seed)
    kinds = [Subject(*c) for c in UNSEEN], [Subject(*c) for c in SEEN], subjects(())
    absent: tuple[Relation, ...] = ("absent", "partial")
    for number in range(count // 2):
        shown, beside = bool(number % 2), bool(number // 2 % 2)
        kind = kinds[number // 4 % len(kinds)]
        subject = kind[int(rng.integers(len(kind)))]
        apart = [c for c in SEEN if c[0] != subject.colour and c[1] != subject.shape]
        other = apart[int(rng.integers(len(apart)))]
        second = Subject(*other)
        pool = SEEN if beside else [c for c in SEEN if c != other]
        relation: Relation = "present" if shown else absent[int(rng.integers(len(absent)))]
        scene = scene_about(subject, relation, rng, pool, [other] if beside else ())
        for name, about, present in (("a", subject, shown), ("b", second, beside)):
            form = FORMS[1 + int(rng.integers(2))]
            affirmative, negated = (sentence(about, form, no) for no in (False, True))
            yield Item(
                item_id=f"existence_shapes_{seed}_{number:05d}{name}",
                scene=scene,
                subject=about,
                caption=affirmative if present else negated,
                foil=negated if present else affirmative,
                votes=3,
                picture=f"existence_shapes_{seed}_{number:05d}",
            )


def valse_entry(item: Item) -> dict[str, Any]:
    """The item in VALSE's JSON format, with the demo world's own field `combination`."""
    present = item.scene.shows(item.subject)
    count = sum(item.subject.matches(thing) for thing in item.scene.things)
    return {
        "dataset": "shapes",
        "dataset_idx": item.item_id.rsplit("_", 1)[-1],
        "image_file": item.image_file,
        "linguistic_phenomena": "existence",
        "caption": item.caption,
        "answer": count,
        "classes": count,
        "split": "test",
        "original_split": "test",
        "classes_foil": [0] if present else [1],
        "declarative_statement": item.caption,
        "declarative_statement_foils": [item.foil],
        "provenance_of_foils": "something_to_zero" if present else "zero_to_something",
        "mturk": {"foil": 3 - item.votes, "caption": item.votes, "other": 0},
        "foil": item.foil,
        "subject": " ".join(filter(None, (item.subject.colour, item.subject.noun(False)))),
        "combination": "unseen" if item.subject.unseen else "seen",
    }


def write_dataset(folder: Path, count: int, seed: int, per_picture: int = 1) -> None:
    """Write ``existence.json``, ``images/*.png`` and ``masks/*.png``, the same bytes every time.

    Masks are called after their items.  The annotations are written last, so that a folder with
    them is complete.
    """
    entries = {}
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for item in (sample_items if per_picture == 1 else sample_couples)(count, seed):
        _save_png(render(item.scene), folder / "images" / item.image_file)
        _save_png(subject_mask(item.scene, item.subject), folder / "masks" / f"{item.item_id}.png")
        entries[item.item_id] = valse_entry(item)
    write_text(json.dumps(entries, indent=2), folder / "existence.json")


def _save_png(image: Image.Image, path: Path) -> None:
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG")
