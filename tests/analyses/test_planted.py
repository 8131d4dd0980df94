"""Planted circuits are found: the same heads and cells, nothing else, with restorations near 1.

Sentences are the demo world's, `rephrased`; image embeddings are random but for their first
coordinate, which decides what negation does to the score.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from matplotlib.patches import Rectangle

from negtrace.analyses import planted_model as written
from negtrace.analyses.planted import Plant, expected, plant_of
from negtrace.analyses.planted_model import planted_model, write_planted
from negtrace.data.demo_world.items import sample_items, valse_entry
from negtrace.data.pairs import candidates
from negtrace.errors import InputError
from negtrace.figures.planted import planted_figure
from negtrace.models import openclip
from negtrace.models.alignment import align
from negtrace.models.open_clip_tower import text_tower
from negtrace.patching.forward_passes import Run, attention_mask, run_sentences
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import scores, sentence_embeddings
from negtrace.statistics.groups import restoration_map, segments

PLANTS = {
    "shallow": Plant((1, 2), (2, 1), layers=3, heads=2, width=32, seed=1),
    "adjacent": Plant((2, 3), (3, 1), layers=4, heads=4, width=64, seed=2),
    "last_block": Plant((2, 3), (6, 4), carrier="full_stop", layers=6, heads=4, width=64, seed=3),
    "noisy": Plant((3, 2), (5, 4), carrier="full_stop", layers=6, width=96, noise=0.1, seed=4),
    "deep": Plant((3, 7), (9, 2), layers=12, heads=8, width=64, seed=5),
    "deep_late": Plant((10, 1), (11, 1), carrier="full_stop", layers=12, width=32, seed=6),
}
SITES = ("resid", "head", "attn_out", "mlp_out")
CELL = ["site", "layer", "head", "role"]

# Largest distance of a mean restoration from 1 where the flag is, and from 0 elsewhere.
TOLERANCE = 0.1
FOUND = 0.5
ATTENDED = 0.9

TOKENIZER = openclip.tokenizer_of("ViT-B-32")
ITEMS = 16
LOGIT_SCALE = 20.0
THRESHOLDS = {"incorrect_below": -1.0, "correct_from": 1.0}


def demo_items() -> pd.DataFrame:
    """A candidates table of the demo world's sentences."""
    frame = pd.DataFrame(map(valse_entry, sample_items(ITEMS, 3)))
    frame = frame[["image_file", "caption", "foil"]].assign(item_id=frame["image_file"])
    votes = dict.fromkeys(("votes_caption", "votes_foil", "votes_other"), 3)
    return candidates(frame.assign(**votes), "rephrased")[0]


def image_embeddings(items: pd.DataFrame, embed_dim: int) -> pd.DataFrame:
    """Unit-norm embeddings, positive along negation where the true sentence is negated."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(items), embed_dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sign = np.where(items["negation"] == "caption", 1, -1)
    vectors[:, 0] = sign * rng.uniform(0.4, 0.8, len(items))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return pd.DataFrame({"image_file": items["image_file"], "embedding": list(vectors)})


class Control:
    """A planted tower and what the pipeline's own functions compute for it."""

    def __init__(self, plant: Plant, active: bool = True) -> None:
        self.plant = plant
        self.tower = text_tower(planted_model(plant, active))
        self.tower.identity["logit_scale"] = LOGIT_SCALE
        self.items = demo_items()
        self.images = image_embeddings(self.items, self.tower.shape.embed_dim)
        self.tokenizer = TOKENIZER
        self.alignment = align(self.items, self.tokenizer, self.tower.shape)
        sentences = sentence_embeddings(self.tower, self.alignment)
        self.scores = scores(self.items, sentences, self.images, LOGIT_SCALE)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """As confirmations take them; no pair has a neutral swap."""
        return {
            "alignment": self.alignment,
            "placebo_alignment": self.alignment[:0],
            "candidates": self.items,
            "images": self.images,
            "scores": self.scores,
            "segments": segments(self.scores, self.items, THRESHOLDS),
        }

    def sweep(self, site: str, direction: str = "negate") -> pd.DataFrame:
        tables = (self.alignment, self.items, self.images, self.scores)
        return sweep(self.tower, *tables, site, direction, LOGIT_SCALE)

    def compared(self, site: str, direction: str = "negate") -> pd.DataFrame:
        """Mean restoration beside the planted value of every cell of a site."""
        swept = self.sweep(site, direction).astype({"site": str, "role": str})
        swept = swept[swept["eligible"]]
        mean = swept.groupby(CELL, dropna=False)["restoration"].mean().rename("mean").reset_index()
        truth = expected(self.plant).query("site == @site")
        both = truth.merge(mean, on=CELL, how="outer", validate="one_to_one")
        assert both[["mean", "restoration"]].notna().all(axis=None)
        return both

    def run(self, sentence: str) -> Run:
        return run_sentences(self.tower, [self.tokenizer.encode(sentence)])

    def attention(self, run: Run, block: int) -> torch.Tensor:
        """Weights of all heads of a block [head, query, key]."""
        q, k, _ = map(self.tower.split_heads, run.qkv[block - 1].chunk(3, dim=-1))
        mask = attention_mask(run.hidden, self.tower)
        return self.tower.attention_pattern(q, k, mask)[0]


@pytest.fixture(scope="module", params=PLANTS)
def control(request) -> Control:
    return Control(PLANTS[request.param])


@pytest.fixture(scope="module")
def noisy() -> Control:
    return Control(PLANTS["noisy"])


@pytest.mark.parametrize("site", SITES)
def test_exactly_the_planted_cells_are_found(control, site):
    cells = control.compared(site)
    assert list(cells["mean"] > FOUND) == list(cells["restoration"] == 1)
    assert (cells["mean"] - cells["restoration"]).abs().max() < TOLERANCE


@pytest.mark.parametrize("site", ["resid", "head"])
def test_the_same_cells_carry_an_affirmation(noisy, site):
    cells = noisy.compared(site, "affirm")
    assert list(cells["mean"] > FOUND) == list(cells["restoration"] == 1)


def test_negation_decides_every_item(control):
    assert control.scores["d"].min() > THRESHOLDS["correct_from"]


def test_without_the_circuit_negation_has_hardly_an_effect(control):
    idle = Control(control.plant, active=False)
    assert idle.scores["d"].abs().mean() < 0.1 * control.scores["d"].mean()
    assert idle.scores["d"].abs().min() > 0


def test_the_model_without_the_circuit_differs_in_the_two_heads_alone():
    plant = PLANTS["adjacent"]
    on, off = (planted_model(plant, active).state_dict() for active in (True, False))
    changed = {name for name in on if not torch.equal(on[name], off[name])}
    split = {"in_proj_weight": (0, (3, 4, 16)), "in_proj_bias": (0, (3, 4, 16))}
    split["out_proj.weight"] = (1, (1, 4, 16))
    touched = set()
    for name in changed:
        _, _, block, _, part = name.split(".", 4)
        axis, sizes = split[part]
        difference = (on[name] - off[name]).unflatten(axis, sizes).movedim(axis + 1, 0)
        touched |= {(int(block) + 1, h + 1) for h in range(4) if difference[h].any()}
    assert touched == {plant.first, plant.second}


def test_heads_and_mlps_off_the_circuit_write_noise(noisy):
    run = noisy.run("There are no stars.")
    token = run.resid[0].norm(dim=-1).mean()
    for block in range(1, noisy.plant.layers + 1):
        of_heads = noisy.tower.heads_out(block, run.z[block - 1])
        attention = noisy.attention(run, block)[:, -1]
        for head in range(1, noisy.plant.heads + 1):
            if (block, head) in (noisy.plant.first, noisy.plant.second):
                continue
            written = of_heads[head - 1].norm(dim=-1).mean()
            assert 0.1 < written / token / noisy.plant.noise < 2
            assert attention[head - 1].max() > 2 * attention[head - 1].min()
        written = run.mlp_out[block - 1].norm(dim=-1).mean()
        assert 0.1 < written / token / noisy.plant.noise < 2


def test_planted_heads_look_for_the_flag_and_else_at_the_start_token(noisy):
    with_no = noisy.run("There are no stars.")
    without = noisy.run("There are some stars.")
    # 0 start, 3 determiner, 5 full stop, 6 EOT.
    steps = {noisy.plant.first: (5, 3), noisy.plant.second: (6, 5)}
    for (block, head), (query, key) in steps.items():
        attention = noisy.attention(with_no, block)[head - 1]
        assert attention[query, key] > ATTENDED
        assert attention[np.arange(7) != query, 0].min() > ATTENDED
        assert noisy.attention(without, block)[head - 1, :, 0].min() > ATTENDED


def test_expected_cells_of_a_plant_worked_by_hand():
    table = expected(Plant((1, 2), (3, 1), carrier="full_stop", layers=3, heads=2))
    full = table[table["restoration"] == 1].astype(object)
    cells = {tuple(row) for row in full[["site", "layer", "role"]].to_numpy()}
    assert cells == {
        ("resid", 0, "determiner"),
        ("resid", 1, "full_stop"),
        ("resid", 2, "full_stop"),
        ("resid", 3, "EOT"),
        ("attn_out", 1, "full_stop"),
        ("attn_out", 3, "EOT"),
        ("head", 1, "all"),
        ("head", 3, "all"),
    }
    heads = full[full["site"] == "head"]
    assert list(zip(heads["layer"], heads["head"], strict=True)) == [(1, 2), (3, 1)]
    assert set(table["restoration"]) == {0.0, 1.0}
    # 8 roles x (4 hidden states + 2 sites x 3 blocks) + 3 blocks x 2 heads.
    assert len(table) == 8 * (4 + 6) + 6


def test_token_ids_are_those_of_clips_tokenizer():
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    start, *middle, end = (written.START, written.NEGATOR, written.FULL_STOP, written.END)
    assert tokenizer(["no."])[0, :4].tolist() == [start, *middle, end]
    assert len(tokenizer.encoder) == written.VOCABULARY
    sentence = tokenizer(["There are no stars."])[0].tolist()
    assert sentence[written.SUBJECT_POSITION] == tokenizer.encode("stars")[0]


def test_the_written_files_load_as_the_same_model(tmp_path):
    plant = PLANTS["shallow"]
    configuration, weights = tmp_path / "planted_shallow.json", tmp_path / "w.safetensors"
    write_planted(plant, configuration, weights)
    loaded = openclip.load(openclip.ModelSpec(str(configuration), str(weights)))
    model = planted_model(plant)
    assert loaded.identity["weights_sha256"] == openclip.state_hash(model)
    assert openclip.state_hash(planted_model(replace(plant, seed=9))) != openclip.state_hash(model)
    again = tmp_path / "again.safetensors"
    write_planted(plant, configuration, again)
    assert again.read_bytes() == weights.read_bytes()


def test_bright_pictures_have_a_positive_first_coordinate_and_dark_ones_a_negative():
    model = planted_model(PLANTS["shallow"])
    size = written.VISION["image_size"]
    shades = torch.tensor([-2.0, -0.7, 0.7, 2.0]).view(4, 1, 1, 1).expand(4, 3, size, size)
    first = model.encode_image(shades, normalize=True)[:, 0]
    assert first[:2].max() < -0.1
    assert first[2:].min() > 0.1


def test_building_a_model_leaves_the_random_state_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    planted_model(PLANTS["shallow"])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": (0, 1)}, "no head 1 in block 0"),
        ({"second": (4, 5)}, "no head 5 in block 4"),
        ({"first": (4, 1)}, "block 4 must come before that of second, 4"),
        ({"carrier": "subject_rest"}, "carrier 'subject_rest': use"),
        ({"width": 34}, "multiple of the 4 heads, 32 or more"),
        ({"width": 16}, "multiple of the 4 heads, 32 or more"),
        ({"strength": 0.0}, "strength must be positive"),
        ({"noise": -0.1}, "noise not negative"),
    ],
)
def test_impossible_plants_are_refused(change, message):
    possible = {"first": (2, 3), "second": (4, 1)}
    Plant(**possible)
    with pytest.raises(InputError, match=message):
        Plant(**possible | change)


def test_a_plant_is_read_from_a_configuration():
    values = json.loads(json.dumps(asdict(PLANTS["deep"])))
    assert plant_of(values) == PLANTS["deep"]


@pytest.mark.parametrize(
    "values",
    [
        {"first": [1, 1]},
        {"first": [1, 1], "second": [2, 1], "depth": 3},
        {"first": 1, "second": [2, 1]},
    ],
)
def test_values_that_describe_no_plant_are_refused(values):
    with pytest.raises(InputError, match="does not describe a plant"):
        plant_of(values)


@pytest.fixture(scope="module")
def maps(noisy) -> dict[str, pd.DataFrame]:
    """``restoration_map`` of the two sites that are drawn."""
    grouped = segments(noisy.scores, noisy.items, THRESHOLDS)
    return {site: restoration_map(noisy.sweep(site), grouped) for site in ("resid", "head")}


def test_figure_shows_every_mean_and_frames_the_planted_cells(noisy, maps):
    figure = planted_figure(noisy.plant, maps["resid"], maps["head"], {})
    circuit, tokens, heads = figure.axes[:3]
    shown = [text.get_text() for text in circuit.texts]
    assert [text for text in shown if text] == ["head 2 of block 3", "head 4 of block 5"]
    for axis, site in ((tokens, "resid"), (heads, "head")):
        cells = noisy.compared(site)
        framed = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
        assert len(framed) == (cells["restoration"] == 1).sum()
        assert len(axis.texts) == len(cells)
        drawn = axis.collections[0].get_array()
        assert drawn.max() == pytest.approx(cells["mean"].max())
        assert drawn.min() == pytest.approx(cells["mean"].min())
    # (column, row), both counted from 0.
    assert {patch.get_xy() for patch in heads.patches} == {(2, 1), (4, 3)}


def test_a_map_of_another_model_is_not_drawn(noisy, maps):
    smaller = replace(noisy.plant, layers=5)
    with pytest.raises(InputError, match="layer 6, but the plant has not"):
        planted_figure(smaller, maps["resid"], maps["head"], {})
