"""The engine against its slow twin, and the facts that hold for any weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import EOT, SOT, STRUCTURES, TinyModel, alignment_table, items_of, random_images
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from negtrace.errors import InputError
from negtrace.models.roles import PADDING
from negtrace.models.tower import TextTower
from negtrace.patching.forward_passes import run_sentences
from negtrace.patching.interventions import NO_COUNTERPART, Intervention
from negtrace.patching.random_direction import pair_seed, unit_vectors
from negtrace.patching.restoration import sweep
from negtrace.patching.scores import scores, sentence_embeddings
from negtrace.patching.sentences import Sentence, sentence_pairs
from negtrace.patching.sites import SITES
from negtrace.patching.slow_twin import activations, patched_embedding, replaced_embedding
from negtrace.vocabulary import BASE_OF, SOURCE_OF

LOGIT_SCALE = 20.0
TOLERANCE = 1e-9  # of scores, in float64

# Same length with one token exchanged; "no" inserted; two edits; a first token changed.
PAIRS = [
    ([SOT, 1, 2, 3, 10, 11, 5, EOT], [SOT, 1, 2, 4, 10, 11, 5, EOT]),
    ([SOT, 1, 2, 3, 12, 5, EOT], [SOT, 1, 2, 12, 5, EOT]),
    ([SOT, 1, 2, 3, 12, 13, 14, 15, 5, EOT], [SOT, 1, 2, 4, 12, 13, 14, 15, 5, EOT]),
    ([SOT, 3, 20, 21, 5, EOT], [SOT, 20, 22, 5, EOT]),
]
REPHRASED = [0, 2]


class Study:
    """A tiny study and the tables its sweeps need."""

    def __init__(self, tiny: TinyModel, pairs=PAIRS, items_per_pair: int = 2) -> None:
        self.tiny = tiny
        self.alignment = alignment_table(pairs, tiny.tower.shape)
        self.items = items_of(len(pairs), items_per_pair)
        self.images = random_images(self.items, tiny.tower.shape.embed_dim)
        sentences = sentence_embeddings(tiny.tower, self.alignment)
        self.scores = scores(self.items, sentences, self.images, LOGIT_SCALE)
        self.means: dict = {}

    def sweep(self, intervention: str | Intervention, direction: str, **options) -> pd.DataFrame:
        tables = (self.alignment, self.items, self.images, self.scores)
        return sweep(self.tiny.tower, *tables, intervention, direction, LOGIT_SCALE, **options)

    def as_open_clip_reads(self, sentence: Sentence) -> tuple[list[int], list[int]]:
        """Tokens to give to open_clip, and where each position lies there.

        open_clip adds a class token by itself, behind all padding.
        """
        tokens, places = list(sentence.tokens), list(range(len(sentence.tokens)))
        if self.tiny.tower.shape.pool == "class":
            places[-1] = self.tiny.tower.shape.context_length
            tokens = tokens[:-2]
        return tokens, places

    def twin_score(self, row, direction: str, intervention: Intervention | None = None) -> float:
        """Score of a cell by one hooked forward pass."""
        intervention = intervention or Intervention(row.site)
        model = self.tiny.model
        pair = next(p for p in sentence_pairs(self.alignment) if p.pair_id == row.pair_id)
        base, source = pair.sentence(BASE_OF[direction]), pair.sentence(SOURCE_OF[direction])
        copied = intervention.donor == "source"
        donor = source if copied else base
        origin = base.counterparts if copied else range(len(base.tokens))
        if intervention.donor == "random":
            origin = [i if k >= 0 else -1 for i, k in enumerate(base.counterparts)]
        roles = {row.role} if row.role == PADDING else intervention.positions
        if row.role != PADDING and not pd.isna(row.position):
            targets = [row.position]
        elif isinstance(roles, str | None):
            targets = range(len(base.tokens))
        else:
            targets = [i for i, role in enumerate(base.roles) if role in roles]
        tokens, places = self.as_open_clip_reads(base)
        donor_tokens, donor_places = self.as_open_clip_reads(donor)
        matched = [(places[t], donor_places[origin[t]]) for t in targets if origin[t] >= 0]
        layers = list(range(row.layer, row.layer + intervention.window))
        heads = None if pd.isna(row.head) else [int(row.head)]
        if intervention.head_sets:
            chosen = intervention.head_sets[row.head_set - 1]
            layers = sorted({block for block, _ in chosen})
            heads = {block: [h for b, h in chosen if b == block] for block in layers}
        values = activations(model, donor_tokens, row.site, layers)
        for layer in layers if not copied else ():
            if intervention.donor == "random":
                values[layer] = self.turned(values[layer], pair, direction, layer, intervention)
            else:
                values[layer] = self.stand_in(values[layer], base, row.site, layer, intervention)
        embedding = replaced_embedding(
            model, tokens, row.site, values, *zip(*matched, strict=True), heads
        )
        image = self.images.loc[self.items["item_id"] == row.item_id, "embedding"].iloc[0]
        return LOGIT_SCALE * float(embedding.numpy() @ image)

    def turned(self, values, pair, direction: str, layer: int, intervention: Intervention):
        """At each token that has a counterpart, a random step as long as to the source run."""
        base, source = pair.sentence(BASE_OF[direction]), pair.sentence(SOURCE_OF[direction])
        shape, part = self.tiny.tower.shape, intervention.place.activation
        tokens, places = self.as_open_clip_reads(source)
        real = activations(self.tiny.model, tokens, intervention.site, [layer])[layer]
        parts = 3 if part in ("q", "k", "v") else 1
        groups = parts * shape.heads if intervention.place.by_head else 1
        layers, size = shape.layers + (part == "resid"), parts * shape.width // groups
        seed = pair_seed(intervention.seed, pair.pair_id)
        noise = unit_vectors(seed, (layers, len(base.tokens), groups, size))
        noise = noise[layer - (part != "resid")]
        if parts == 3:
            noise = noise.chunk(3, dim=1)["qkv".index(part)]
        values = values.clone()
        for target, origin in enumerate(base.counterparts):
            if origin >= 0:
                place = self.as_open_clip_reads(base)[1][target]
                change = real[0, places[origin]] - values[0, place]
                for head, (step, unit) in enumerate(
                    zip(change.chunk(len(noise[target])), noise[target], strict=True)
                ):
                    columns = slice(head * len(unit), (head + 1) * len(unit))
                    values[0, place, columns] += step.norm() * unit
        return values

    def stand_in(self, values, base: Sentence, site: str, layer: int, intervention: Intervention):
        """Zeros, or at each token the mean over all sentences' tokens of its role."""
        values = torch.zeros_like(values)
        if intervention.donor == "mean":
            key = (site, layer)
            if key not in self.means:
                by_role: dict[str, list] = {}
                for pair in sentence_pairs(self.alignment):
                    for sentence in (pair.negated, pair.affirmative):
                        tokens, places = self.as_open_clip_reads(sentence)
                        seen = activations(self.tiny.model, tokens, site, [layer])[layer]
                        for place, role in zip(places, sentence.roles, strict=True):
                            by_role.setdefault(role, []).append(seen[0, place])
                self.means[key] = {r: torch.stack(v).mean(0) for r, v in by_role.items()}
            for place, role in zip(self.as_open_clip_reads(base)[1], base.roles, strict=True):
                values[0, place] = self.means[key][role]
        return values


def compare(study: Study, table: pd.DataFrame, direction: str, intervention=None) -> None:
    """Every eligible cell of the first item of each pair against the twin."""
    once = table[table["item_id"].str.endswith("_0") & table["eligible"]]
    expected = [study.twin_score(row, direction, intervention) for row in once.itertuples()]
    found = once["s_patched"].to_numpy()
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)
    base = study.scores.set_index("item_id")[f"s_{BASE_OF[direction]}"]
    assert np.abs(found - base.loc[once["item_id"]]).max() > 0.01


BOTH_DIRECTIONS = ("causal_quick_gelu", "bidirectional_last", "class_token", "roberta_mean")


@pytest.mark.parametrize(
    ("structure", "direction"),
    [
        *((structure, "negate") for structure in STRUCTURES),
        *((structure, "affirm") for structure in BOTH_DIRECTIONS),
    ],
)
@pytest.mark.parametrize("site", list(SITES))
def test_engine_equals_twin_in_every_cell(tiny_models, structure, site, direction):
    study = Study(tiny_models[structure], PAIRS[:2])
    compare(study, study.sweep(site, direction), direction)


# The padding token's id inside sentences: shared, in the edit, in one sentence alone.
PADDED_INSIDE = [
    ([SOT, 0, 2, 3, 0, 11, 5, EOT], [SOT, 0, 2, 4, 0, 11, 5, EOT]),
    ([SOT, 1, 2, 0, 12, 5, EOT], [SOT, 1, 2, 4, 12, 5, EOT]),
    ([SOT, 1, 3, 12, 0, EOT], [SOT, 1, 12, 0, EOT]),
    ([SOT, 1, 2, 3, 12, 13, 5, EOT], [SOT, 1, 2, 4, 12, 13, 5, EOT]),
]


@pytest.mark.parametrize("direction", ["negate", "affirm"])
@pytest.mark.parametrize("site", list(SITES))
def test_keys_behind_padding_tokens_inside_sentences(tiny_models, site, direction):
    study = Study(tiny_models["class_token"], PADDED_INSIDE)
    compare(study, study.sweep(site, direction), direction)


def test_a_whole_swap_hides_what_the_base_sentence_hides(tiny_models):
    """Hidden state 0 of the source is not the source run where the base run hides other keys."""
    study = Study(tiny_models["class_token"], PADDED_INSIDE)
    table = study.sweep(Intervention("resid", "all"), "negate").query("layer == 0 and eligible")
    restored = table.groupby("pair_id", observed=True)["restoration"].first()
    assert restored.iloc[[0, 3]].tolist() == pytest.approx([1, 1])
    assert abs(restored.iloc[1] - 1) > 0.01


INTERVENTIONS = {
    "attn_out at a window of blocks": Intervention("attn_out", window=2),
    "mlp_out at a window, all positions": Intervention("mlp_out", "all", window=3),
    "head at a window of blocks": Intervention("head", window=2),
    "head at each position": Intervention("head", "each"),
    "q at each position": Intervention("q", "each"),
    "k at each position": Intervention("k", "each"),
    "v at each position": Intervention("v", "each"),
    "pattern at each query": Intervention("pattern", "each"),
    "resid at a set of roles": Intervention("resid", ("edit", "EOT")),
    "attn_out at a set of roles, window": Intervention("attn_out", ("edit", "EOT"), window=2),
    "sets of heads": Intervention("head", head_sets=(((1, 1), (1, 2), (3, 2)), ((2, 1), (3, 1)))),
    "sets of heads in one block and in several": Intervention(
        "head", head_sets=(((1, 1), (3, 2)), ((3, 1),), ((3, 3), (2, 1)), ((1, 2), (1, 3)))
    ),
    "sets of heads at each position": Intervention("head", "each", head_sets=(((1, 1), (2, 2)),)),
    "zero ablation of resid": Intervention("resid", donor="zero"),
    "zero ablation of heads": Intervention("head", donor="zero"),
    "zero ablation of q": Intervention("q", donor="zero"),
    "mean ablation of resid": Intervention("resid", donor="mean"),
    "mean ablation of attn_out, window": Intervention("attn_out", window=2, donor="mean"),
    "mean ablation of mlp_out": Intervention("mlp_out", donor="mean"),
    "mean ablation of heads": Intervention("head", donor="mean"),
    "mean ablation of a set of heads": Intervention(
        "head", head_sets=(((1, 2), (3, 1), (3, 2)),), donor="mean"
    ),
    "mean ablation of v": Intervention("v", "each", donor="mean"),
    "random direction of resid": Intervention("resid", donor="random", seed=1),
    "random direction of attn_out, window": Intervention("attn_out", window=2, donor="random"),
    "random direction of mlp_out": Intervention("mlp_out", donor="random", seed=2),
    "random direction of heads": Intervention("head", donor="random", seed=3),
    "random direction of q": Intervention("q", donor="random"),
    "random direction of k at each position": Intervention("k", "each", donor="random"),
    "random direction of v": Intervention("v", donor="random"),
}


@pytest.mark.parametrize("structure", list(BOTH_DIRECTIONS))
@pytest.mark.parametrize("name", list(INTERVENTIONS))
def test_interventions_equal_twin_in_every_cell(tiny_models, name, structure):
    study, intervention = Study(tiny_models[structure], PAIRS[:2]), INTERVENTIONS[name]
    table = study.sweep(intervention, "affirm")
    compare(study, table, "affirm", intervention)
    cells = table.drop_duplicates([c for c in ("layer", "head", "head_set") if c in table])
    assert len(cells) == len(intervention.cells(study.tiny.tower.shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"site": "nowhere"}, "unknown site 'nowhere'"),
        ({"site": "resid", "positions": "some"}, "use 'each', 'all' or a tuple of roles"),
        ({"site": "resid", "window": 2}, "site resid has no windows"),
        ({"site": "head", "window": 0}, "use 1 or more"),
        ({"site": "q", "head_sets": (((1, 1),),)}, "defined for site head"),
        ({"site": "head", "head_sets": ((),)}, "a set of heads is empty"),
        ({"site": "head", "donor": "median"}, "one of source, random, zero, mean"),
        ({"site": "pattern", "donor": "zero"}, "from the source run only"),
        ({"site": "head", "window": 9}, "a window of 9 blocks in a tower of 3"),
        ({"site": "head", "head_sets": (((4, 1),),)}, "no head 1 in block 4"),
    ],
)
def test_undefined_interventions_are_refused(causal, arguments, message):
    with pytest.raises(InputError, match=message):
        Intervention(**arguments).cells(causal.tower.shape)


token = st.integers(0, 50)  # 0 is the padding token's too


@st.composite
def token_pairs(draw):
    """A random sentence and a random edit of it that fits the context of 14 tokens."""
    words = draw(st.lists(token, min_size=2, max_size=8))
    at = draw(st.integers(0, len(words) - 1))
    kind = draw(st.sampled_from(["exchange", "insert", "delete"]))
    other = list(words)
    if kind == "exchange":
        other[at] = draw(token.filter(lambda t: t != words[at]))
    elif kind == "insert":
        other.insert(at, 51)
    else:
        del other[at]
    return [SOT, *words, EOT], [SOT, *other, EOT]


@st.composite
def interventions(draw):
    """Any intervention on a tower of at least 3 blocks and 2 heads."""
    site = draw(st.sampled_from(list(SITES)))
    window = draw(st.integers(1, 3)) if SITES[site].windows else 1
    a_head = st.tuples(st.integers(1, 3), st.integers(1, 2))
    a_set = st.lists(a_head, min_size=1, max_size=4, unique=True).map(tuple)
    head_sets = None
    if site == "head" and window == 1:
        head_sets = tuple(draw(st.lists(a_set, max_size=2))) or None
    roles = st.sampled_from([("edit", "EOT"), ("SOT",), ("shared_after", "EOT")])
    positions = draw(st.one_of(st.sampled_from(["each", "all"]), roles))
    donors = ["source"]
    if not SITES[site].same_positions:
        donors += ["random", "zero", "mean"]
    return Intervention(site, positions, window, head_sets, draw(st.sampled_from(donors)))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    pairs=st.lists(token_pairs(), min_size=1, max_size=3),
    intervention=interventions(),
    direction=st.sampled_from(["negate", "affirm"]),
    memory_gb=st.sampled_from([1e-6, 1.0]),
    data=st.data(),
)
def test_random_cells_equal_twin(tiny_models, pairs, intervention, direction, memory_gb, data):
    structure = data.draw(st.sampled_from(list(tiny_models)))
    padded = any(0 in sentence for pair in pairs for sentence in pair)
    assume(not (padded and tiny_models[structure].tower.shape.hides_padding))  # refused
    study = Study(tiny_models[structure], pairs, items_per_pair=1)
    table = study.sweep(intervention, direction, memory_gb=memory_gb)
    eligible = table[table["eligible"]].reset_index(drop=True)
    assert eligible["s_patched"].notna().all()
    assert table.loc[~table["eligible"], ["s_patched", "restoration"]].isna().all(axis=None)
    assume(len(eligible))
    for i in data.draw(st.lists(st.integers(0, len(eligible) - 1), min_size=1, max_size=5)):
        row = next(eligible.iloc[[i]].itertuples())
        expected = study.twin_score(row, direction, intervention)
        assert row.s_patched == pytest.approx(expected, abs=TOLERANCE)


def test_facts_of_resid(causal):
    study = Study(causal, [PAIRS[i] for i in REPHRASED])
    table = study.sweep("resid", "negate")
    layers = causal.tower.shape.layers
    r = table.set_index(["item_id", "layer", "position"])["restoration"]
    eot = table.groupby("item_id")["position"].transform("max")
    table = table.assign(at_eot=table["position"] == eot)
    assert (table.loc[table["position"] < 3, "restoration"] == 0).all()
    assert (table[(table["layer"] == layers) & ~table["at_eot"]]["restoration"] == 0).all()
    assert (table[(table["layer"] == layers) & table["at_eot"]]["restoration"] == 1).all()
    assert (r.xs(0, level="layer").xs(3, level="position") == 1).all()
    inside = table[(table["position"] >= 3) & (table["layer"] < layers) & (table["layer"] > 0)]
    assert not inside["known"].any()
    assert inside["restoration"].abs().min() > 1e-6


def test_all_positions_of_one_hidden_state_restore_everything(tiny):
    base, source = PAIRS[0][1], PAIRS[0][0]
    everywhere = range(tiny.tower.shape.context_length + (tiny.tower.shape.pool == "class"))
    expected = Study(tiny).scores
    for layer in range(tiny.tower.shape.layers + 1):
        embedding = patched_embedding(
            tiny.model, base, source, "resid", layer, everywhere, everywhere
        )
        image = random_images(items_of(4, 2), tiny.tower.shape.embed_dim)["embedding"].iloc[0]
        score = LOGIT_SCALE * float(embedding.numpy() @ image)
        assert score == pytest.approx(expected["s_negated"].iloc[0], abs=TOLERANCE)
    assert expected["s_negated"].iloc[0] != pytest.approx(expected["s_affirmative"].iloc[0])


def test_patching_a_run_with_itself_changes_nothing(causal):
    """An identical source gives the base score in every cell and an undefined restoration."""
    sentence = PAIRS[0][0]
    alignment = alignment_table([PAIRS[0]], causal.tower.shape)
    twin = alignment[alignment["polarity"] == "negated"]
    same = pd.concat([twin, twin.assign(polarity="affirmative")], ignore_index=True)
    study = Study(causal, [(sentence, PAIRS[0][1])])
    study.alignment = same
    sentences = sentence_embeddings(causal.tower, same)
    study.scores = scores(study.items, sentences, study.images, LOGIT_SCALE)
    for site in SITES:
        table = study.sweep(site, "negate")
        base = study.scores.set_index("item_id")["s_affirmative"].loc[table["item_id"]].to_numpy()
        np.testing.assert_allclose(table["s_patched"], base, atol=TOLERANCE, rtol=0)
        assert table["restoration"].isna().all()


@pytest.mark.parametrize("structure", ["causal_quick_gelu", "bidirectional_first"])
@pytest.mark.parametrize("site", list(SITES))
def test_result_does_not_depend_on_batches_or_order(tiny_models, structure, site):
    study = Study(tiny_models[structure])
    whole = study.sweep(site, "negate")
    small = study.sweep(site, "negate", memory_gb=1e-9)
    pd.testing.assert_frame_equal(whole, small, check_exact=False, atol=1e-11, rtol=0)
    study.items = study.items.iloc[::-1].reset_index(drop=True)
    cells = ["item_id", "layer", "head", "position"]
    turned = study.sweep(site, "negate").sort_values(cells, ignore_index=True)
    pd.testing.assert_frame_equal(
        whole.sort_values(cells, ignore_index=True), turned, atol=1e-11, rtol=0
    )


def test_positions_without_counterpart_are_rows_with_a_reason(causal):
    table = Study(causal).sweep("resid", "affirm")
    of_inserted = table[table["pair_id"] == "pair1"]
    missing = of_inserted[~of_inserted["eligible"]]
    assert set(missing["position"]) == {3}
    assert set(missing["reason"]) == {NO_COUNTERPART}
    assert missing["restoration"].isna().all()
    assert of_inserted.loc[of_inserted["eligible"], "reason"].isna().all()
    layers = causal.tower.shape.layers + 1
    assert len(of_inserted) == 2 * layers * len(PAIRS[1][0])


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("site", ["resid", "head"])
def test_float32_agrees_with_float64(tiny, site, onednn):
    study = Study(tiny)
    double = study.sweep(site, "negate")
    study.tiny = TinyModel("float32", tiny.model, tiny.tower.to(dtype=torch.float32))
    with torch.backends.mkldnn.flags(enabled=onednn):
        single = study.sweep(site, "negate")
    difference = np.nanmax(np.abs(double["s_patched"] - single["s_patched"]))
    assert 0 < difference < 1e-4


def test_engine_skips_known_cells_and_computes_each_pair_once(causal, monkeypatch):
    """Patches computed: pairs x (positions from the first difference on) x hidden states 1..L-1."""
    import negtrace.patching.restoration as restoration

    computed = []
    original = restoration.patched_embeddings

    def counting(*args, **kwargs):
        result = original(*args, **kwargs)
        computed.append(result.shape[0] * result.shape[1])
        return result

    monkeypatch.setattr(restoration, "patched_embeddings", counting)
    Study(causal, [PAIRS[i] for i in REPHRASED], items_per_pair=5).sweep("resid", "negate")
    positions = sum(len(PAIRS[i][0]) - 3 for i in REPHRASED)
    assert sum(computed) == positions * (causal.tower.shape.layers - 1)


def test_restoration_is_null_where_both_sentences_score_alike(causal):
    """Its denominator is 0 for one item; what the patch changed is not."""
    study = Study(causal, [PAIRS[i] for i in REPHRASED])
    expected = study.sweep("resid", "negate")
    alike = study.scores["item_id"] == "item0_0"
    study.scores.loc[alike, "s_negated"] = study.scores.loc[alike, "s_affirmative"]
    table = study.sweep("resid", "negate")
    of_item = table["item_id"] == "item0_0"
    base = study.scores.loc[alike, "s_affirmative"].iloc[0]
    assert (table.loc[of_item & ~table["known"], "s_patched"] - base).abs().min() > 1e-6
    assert table.loc[of_item, "restoration"].isna().all()
    assert np.isfinite(table.loc[~of_item, "restoration"]).all()
    pd.testing.assert_frame_equal(table[~of_item], expected[~of_item])


@pytest.mark.parametrize("structure", ["bidirectional_eot", "bidirectional_last"])
def test_all_padding_is_one_row_of_the_table(tiny_models, structure):
    """A row per cell and token, and one for the padding, where it begins; the rest are no rows."""
    study = Study(tiny_models[structure], PAIRS[:2], items_per_pair=1)
    table = study.sweep("resid", "negate")
    layers = study.tiny.tower.shape.layers + 1
    for pair, (_, base) in enumerate(PAIRS[:2]):
        rows = table[table["item_id"] == f"item{pair}_0"]
        of_padding = rows[rows["role"] == PADDING]
        assert of_padding["position"].tolist() == [len(base)] * layers
        assert of_padding["s_patched"].notna().all()
        pooled = structure == "bidirectional_last"  # the last padding token is read out
        assert len(rows) == layers * (len(base) + 1 + pooled)
        assert sorted(set(rows["position"])) == [*range(len(base) + 1), *[13] * pooled]


@pytest.mark.parametrize(("donor", "anew"), [("source", False), ("zero", True)])
def test_a_hidden_state_of_a_run_is_not_projected_anew(causal, monkeypatch, donor, anew):
    """Its queries, keys and values are known; those of zeros and means are not."""
    counted = []
    original = TextTower.qkv

    def counting(self, block, resid):
        counted.append(resid.shape[:-1].numel())
        return original(self, block, resid)

    monkeypatch.setattr(TextTower, "qkv", counting)
    study = Study(causal, PAIRS[:1])
    pair = sentence_pairs(study.alignment)[0]
    counted.clear()
    sentences = (pair.affirmative, pair.negated)[: 1 if anew else 2]
    run_sentences(causal.tower, [sentence.tokens for sentence in sentences])
    of_runs = sum(counted)
    counted.clear()
    study.sweep(Intervention("resid", donor=donor), "negate")
    assert (sum(counted) > of_runs) == anew
    assert sum(counted) >= of_runs > 0
