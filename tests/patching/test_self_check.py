"""What is extracted from a model gives the model's own embeddings, or is refused in one line."""

from __future__ import annotations

import json

import open_clip
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations

from negtrace.errors import InputError
from negtrace.models.open_clip_structure import check_structure
from negtrace.models.open_clip_tokenizers import as_tokenizer
from negtrace.models.open_clip_tower import text_tower
from negtrace.patching.self_check import (
    ALL_UP_TO,
    check_finite,
    check_tower,
    covering_sample,
    tolerance_of,
)
from negtrace.trace import trace

VISION = {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "head_width": 16}
PAIR = ("There are no dogs.", "There are some dogs.")
CUT = open_clip.get_tokenizer("ViT-B-32")


def tiny(kind=open_clip.CLIP, quick_gelu=False, **text):
    """A random model, every weight perturbed."""
    torch.manual_seed(0)
    config = {"vocab_size": 49408, "width": 32, "heads": 4, "layers": 3} | text
    more = {"quick_gelu": quick_gelu}
    if kind is open_clip.CoCa:
        decoder = {"width": 32, "heads": 4, "layers": 1, "context_length": 76}
        more |= {"multimodal_cfg": decoder}
        model = kind(12, text_cfg=config, vision_cfg=VISION | COCA_VISION, **more)
        # open_clip leaves it as memory was.
        torch.nn.init.normal_(model.text_decoder.text_projection)
    else:
        model = kind(12, VISION, config, **more)
    model.eval().requires_grad_(False)
    for weight in model.parameters():
        if weight.ndim:
            weight.add_(0.1 * torch.randn_like(weight))
    return model


COCA_VISION = {"attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True}
COCA = {"context_length": 76, "embed_cls": True, "output_tokens": True}


def own_scores(model, image, tokenizer=CUT, sentences=PAIR):
    given = tokenizer(list(sentences), context_length=model.context_length)
    own = model.encode_text(given, normalize=True).double()
    scale = float(model.logit_scale.exp())
    return (scale * own @ F.normalize(image.double(), dim=-1)).tolist()


def assert_as_the_model(model, tokenizer=CUT, sentences=PAIR, abs=1e-4):
    image = torch.randn(12)
    found = trace(model, tokenizer, *sentences, image).attrs
    expected = own_scores(model, image, tokenizer, sentences)
    assert [found["s_negated"], found["s_affirmative"]] == pytest.approx(expected, abs=abs)


def refused(match, model, tokenizer=CUT, sentences=PAIR, image=None):
    with pytest.raises(InputError, match=match) as error:
        trace(model, tokenizer, *sentences, torch.randn(12) if image is None else image)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (open_clip.CLIP, {}),
        (open_clip.CLIP, {"block_type": "custom", "ls_init_value": 0.5}),
        (open_clip.CLIP, {"pool_type": "eos", "eos_id": 49407}),
        (open_clip.CustomTextCLIP, {"no_causal_mask": True, "pool_type": "last"}),
        (open_clip.CustomTextCLIP, {"no_causal_mask": True, "proj_bias": True}),
        (open_clip.CoCa, COCA),
    ],
)
def test_supported_towers_give_the_model_s_own_scores(kind, text):
    assert_as_the_model(tiny(kind, **text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ({"qk_norm": True}, "ln_q"),
        ({"scale_attn": True}, "ln_attn"),
        ({"scale_fc": True}, "mlp.ln"),
        ({"scale_attn_inner": True}, "ln_inner"),
        ({"scale_heads": True}, "head_scale"),
        ({"norm_kwargs": {"elementwise_affine": False}}, "LayerNorm without weight"),
        ({"norm_kwargs": {"bias": False}}, "LayerNorm without weight"),
        ({"embed_cls": True, "no_causal_mask": True}, "no causal mask"),
        ({"pool_type": "first"}, "sees no other"),
        ({"pool_type": "none"}, "pools by 'none'"),
        ({"pool_type": "eos"}, "reads it out at its token 1"),
        ({"vocab_size": 1000}, "1000 token embeddings"),
        ({"output_tokens": True}, "encode_text fails"),
    ],
)
def test_configurations_that_cannot_be_traced_are_named(text, reason):
    refused(reason, tiny(open_clip.CustomTextCLIP, **text))


class Lora(nn.Module):
    """An unmerged adapter: the base layer plus a low-rank product."""

    def __init__(self, base):
        super().__init__()
        self.base_layer = base
        self.a = nn.Parameter(torch.randn(2, base.weight.shape[1]))

    @property
    def weight(self):
        return self.base_layer.weight

    def forward(self, x):
        return self.base_layer(x) + x.mean()


class Shouting(open_clip.CLIP):
    def encode_text(self, text, normalize=False):
        return -super().encode_text(text, normalize)


def last(model):
    return model.transformer.resblocks[-1]


def double(module, args, output):
    return 2 * output


def replace(owner, name, make):
    setattr(owner, name, make(getattr(owner, name)))


CHANGES = {
    "adapter on c_fc": (lambda m: replace(last(m).mlp, "c_fc", Lora), "merge the adapter"),
    "adapter on tokens": (lambda m: replace(m, "token_embedding", Lora), "merge the adapter"),
    "hook": (lambda m: last(m).register_forward_hook(double), r"hook \(double\)"),
    "pre-hook": (
        lambda m: last(m).attn.out_proj.register_forward_pre_hook(lambda *a: None),
        "out_proj has a forward hook",
    ),
    "hook on the model": (lambda m: m.register_forward_hook(double), "the model has a forward"),
    "weight_norm": (
        lambda m: parametrizations.weight_norm(last(m).mlp.c_proj),
        "remove_parametrizations",
    ),
    "old weight_norm": (lambda m: nn.utils.weight_norm(last(m).mlp.c_proj), "forward hook"),
    "own forward": (
        lambda m: setattr(last(m).mlp, "forward", lambda x: x),
        "mlp has a forward of its own",
    ),
    "own encode_text": (
        lambda m: setattr(m, "encode_text", lambda text, normalize=False: None),
        "encode_text of its own",
    ),
    "activation": (
        lambda m: setattr(last(m).mlp, "gelu", nn.ReLU()),
        "ReLU, not GELU or QuickGELU",
    ),
    "another activation in one block": (
        lambda m: setattr(last(m).mlp, "gelu", nn.GELU("tanh")),
        "block 3 of the text tower has activation",
    ),
    "heads of one block": (
        lambda m: setattr(last(m), "attn", nn.MultiheadAttention(32, 2, batch_first=True)),
        "block 3 of the text tower has heads 2, block 1 has 4",
    ),
    "eps of one norm": (lambda m: setattr(last(m).ln_2, "eps", 1e-2), "differ in eps"),
    "keys with a bias": (
        lambda m: setattr(
            last(m), "attn", nn.MultiheadAttention(32, 4, add_bias_kv=True, batch_first=True)
        ),
        "bias_k",
    ),
    "no mask": (lambda m: m.attn_mask.zero_(), "not the causal mask"),
    "wider mask": (lambda m: m.attn_mask[3:, 2].fill_(float("-inf")), "not the causal mask"),
    "max_norm": (lambda m: setattr(m.token_embedding, "max_norm", 1.0), "max_norm"),
    "wrapped tower": (
        lambda m: replace(m, "transformer", nn.DataParallel),
        r"pass the model that it wraps \(its module\)",
    ),
    "a part wrapped": (lambda m: replace(last(m), "mlp", torch.compile), "_orig_mod"),
    "NaN": (lambda m: last(m).ln_1.weight[3].fill_(float("nan")), "resblocks.2.ln_1.weight"),
    "infinity in the image tower": (
        lambda m: m.visual.conv1.weight[0].fill_(float("inf")),
        "visual.conv1.weight",
    ),
    "logit scale stored as 100": (lambda m: m.logit_scale.fill_(100), "logit_scale is 100"),
    "logit scale of zero": (lambda m: m.logit_scale.fill_(-800), "logit_scale is -800"),
    "device": (lambda m: m.to("meta"), "meta"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_the_forward_pass_is_refused_by_name(change):
    model = tiny()
    make, reason = CHANGES[change]
    make(model)
    refused(reason, model)


@pytest.mark.parametrize(
    ("wrap", "reason"),
    [
        (nn.DataParallel, "its module"),
        (torch.compile, "_orig_mod"),
        (Lora, "."),
        (lambda model: "ViT-B-32", "class builtins.str"),
        (lambda model: None, "NoneType"),
    ],
)
def test_wrapped_models_are_refused_with_the_remedy(wrap, reason):
    model = tiny()
    model.weight = torch.ones(2, 2)
    refused(reason, wrap(model))


def test_subclasses_are_refused():
    refused("Shouting, not open_clip's CLIP", tiny(Shouting))


def test_use_of_a_pad_mask_is_refused():
    model = tiny(open_clip.CustomTextCLIP, no_causal_mask=True)
    model.text.use_pad_mask = True
    refused("masks padding", model)
    model = tiny(open_clip.CoCa, **COCA)
    model.text.correct_cls_mask = True
    refused("another mask than CoCa's", model)


def test_a_method_replaced_on_the_class_shows_in_the_embeddings(monkeypatch):
    model = tiny()
    forward = open_clip.transformer.ResidualAttentionBlock.forward
    monkeypatch.setattr(
        open_clip.transformer.ResidualAttentionBlock,
        "forward",
        lambda self, *a, **k: 1.1 * forward(self, *a, **k) + 0.1 * self.ln_1.weight,
    )
    refused(r"departs from the model's own encode_text by \d.*There are", model)


def test_quantised_weights_are_refused():
    model = torch.ao.quantization.quantize_dynamic(tiny(), {nn.Linear}, dtype=torch.qint8)
    refused("without quantisation|is of class", model)


def test_an_added_token_that_takes_the_end_s_place_is_refused():
    tokenizer = open_clip.SimpleTokenizer(additional_special_tokens=["<mydog>"])
    model = tiny(vocab_size=49409)
    assert_as_the_model(model, tokenizer)
    sentences = ("There are no <mydog> dogs.", "There are some <mydog> dogs.")
    refused("reads it out at its token 5", model, tokenizer, sentences)
    assert_as_the_model(tiny(vocab_size=49409, pool_type="eos", eos_id=49407), tokenizer, sentences)


def test_an_end_token_inside_a_sentence_is_refused():
    refused("reads it out at its token 3", tiny(), sentences=("No <end_of_text> dogs", "dogs"))


def test_token_0_inside_a_sentence_is_read_as_the_model_does():
    """CoCa hides what stands behind it; other towers do not."""
    tokenizer = open_clip.SimpleTokenizer(context_length=76)
    sentences = ("Oh !& no dogs.", "Oh !& some dogs.")
    assert 0 in tokenizer.encode(sentences[0])
    for model in (tiny(open_clip.CoCa, **COCA), tiny()):
        assert_as_the_model(model, tokenizer, sentences)


def word_tokenizer(tmp_path, end=7, side="right", pad="<pad>"):
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    words = ["<pad>", "<unk>", "there", "are", "no", "some", "dogs"]
    words.insert(end, "</s>")
    inner = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>")
    )
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", end)]
    )
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="</s>",
        pad_token=pad,
        unk_token="<unk>",
        padding_side=side,
    )
    made.save_pretrained(tmp_path / "words")
    return open_clip.tokenizer.HFTokenizer(
        str(tmp_path / "words"), context_length=12, clean="canonicalize"
    )


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        ({}, {}, None),
        ({}, {"end": 1}, "the largest token id"),
        ({"pool_type": "eos", "eos_id": 1}, {"end": 1}, None),
        ({}, {"side": "left"}, "pads it on the left"),
        ({"no_causal_mask": True, "pool_type": "last"}, {"side": "left"}, "pads it on the left"),
        ({"no_causal_mask": True, "pool_type": "last"}, {"pad": "</s>"}, None),
        ({}, {"pad": "</s>"}, "its end cannot be told"),
        ({"no_causal_mask": True, "context_length": 16}, {}, "fills sentences up to 12"),
        ({"context_length": 16}, {}, None),
    ],
)
def test_hugging_face_tokenizers(tmp_path, text, options, reason):
    text = {"vocab_size": 8, "context_length": 12} | text
    model = tiny(open_clip.CustomTextCLIP, **text)
    tokenizer = word_tokenizer(tmp_path, **options)
    if reason:
        refused(reason, model, tokenizer)
    else:
        assert_as_the_model(model, tokenizer)


def test_a_sample_of_many_sentences_holds_every_token_and_length():
    tokens = {f"s{i}": [1, 100 + i % 30, *range(i % 7), 2] for i in range(500)}
    sample = covering_sample(tokens)
    assert len(sample) < 60
    assert {t for s in sample for t in tokens[s]} == {t for ids in tokens.values() for t in ids}
    assert {len(tokens[s]) for s in sample} == {len(ids) for ids in tokens.values()}
    few = dict(list(tokens.items())[:ALL_UP_TO])
    assert covering_sample(few) == list(few)


def test_a_stored_tower_of_other_weights_is_refused():
    model, cut = tiny(), as_tokenizer(CUT)
    tower = text_tower(model)
    check_tower(model, tower, cut)
    tower = tower.to(dtype=torch.float64)
    tower.weights["token_embedding"][CUT.encode("dogs")[0]] *= -1
    with pytest.raises(InputError, match=r"departs .*dogs"):
        check_tower(model, tower, cut)


def flags(*names):
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, st.booleans()))


CONFIGURATIONS = st.builds(
    lambda *parts: {key: value for part in parts for key, value in part.items()},
    flags("no_causal_mask", "embed_cls", "proj_bias"),
    flags("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn"),
    st.fixed_dictionaries(
        {"heads": st.sampled_from([1, 2, 4]), "layers": st.integers(1, 3)},
        optional={
            "pool_type": st.sampled_from(["argmax", "eos", "first", "last", "none"]),
            "eos_id": st.sampled_from([2, 49407, 0]),
            "pad_id": st.sampled_from([0, 1]),
            "context_length": st.sampled_from([8, 77]),
            "vocab_size": st.sampled_from([49408, 49500, 500]),
            "proj_type": st.sampled_from(["linear", "none"]),
            "mlp_ratio": st.sampled_from([0.5, 2.0, 4.0]),
            "ls_init_value": st.sampled_from([1e-3, 1.0]),
            "block_type": st.sampled_from(["default", "custom"]),
            "norm_kwargs": st.sampled_from([{"eps": 1e-6}, {"bias": False}]),
            "act_kwargs": st.sampled_from([{"approximate": "tanh"}]),
        },
    ),
)


def outcome(kind, text):
    """'right' or the reason of a refusal; anything else is an error."""
    try:
        model = tiny(kind, **text)
    except (AssertionError, TypeError):
        return "open_clip builds none"
    image = torch.randn(32 if text.get("proj_type") == "none" else 12)
    tokenizer = open_clip.SimpleTokenizer(context_length=text.get("context_length", 77))
    reason = None
    try:
        found = trace(model, tokenizer, *PAIR, image).attrs
    except InputError as error:
        reason = str(error)
    if reason:
        return reason
    expected = own_scores(model, image, tokenizer)
    assert [found["s_negated"], found["s_affirmative"]] == pytest.approx(expected, abs=1e-3)
    return "right"


def test_more_positions_than_the_context_has_are_refused():
    """open_clip builds such a model of `embed_cls` without `custom_text`, and cannot run it."""
    refused("78 positional embeddings for sentences of 77 tokens", tiny(embed_cls=True))


@settings(max_examples=30, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([open_clip.CLIP, open_clip.CustomTextCLIP]), CONFIGURATIONS)
def test_any_configuration_is_right_or_refused(kind, text):
    assert "\n" not in outcome(kind, text)


@pytest.mark.parametrize("precision", ["fp16", "bf16", "pure_bf16", "pure_fp16"])
def test_half_precision_models_are_traced_as_open_clip_runs_them(precision, tmp_path):
    path = tmp_path / "tiny_half.json"
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 3}
    path.write_text(json.dumps({"embed_dim": 12, "vision_cfg": VISION, "text_cfg": text}))
    open_clip.add_model_config(path)
    torch.manual_seed(0)
    model = open_clip.create_model("tiny_half", precision=precision).eval()
    pixels = torch.randn(3, 16, 16)
    found = trace(model, CUT, *PAIR, pixels).attrs
    half = torch.float16 if "fp16" in precision else torch.bfloat16
    with torch.no_grad():
        image = model.encode_image(pixels[None].to(half), normalize=True)[0]
        expected = own_scores(model, image)
    bound = 2 * tolerance_of(model) * model.logit_scale.exp().item()
    assert [found["s_negated"], found["s_affirmative"]] == pytest.approx(expected, abs=bound)


def test_structure_and_weights_of_a_sound_model_pass():
    model = tiny(quick_gelu=True)
    check_structure(model)
    check_finite(model)
