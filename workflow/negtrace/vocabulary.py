"""Vocabulary: the names that tables, configuration, figures and report share, each in one place.

Standard library only, because Snakemake's parse imports it.  A step's code hash covers just those
definitions that its modules use, so that a new title reruns no sweep.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol, TypeVar

Polarity = Literal["negated", "affirmative"]
Negation = Literal["caption", "foil"]


class Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


def by_name(*records: N) -> dict[str, N]:
    """Records by name, in the order in which they are shown."""
    return {record.name: record for record in records}


# The negator of the paper, which a neutral word can stand for.
NEGATOR = "no"

# In the place of a negation, a segment or a position: not told apart.
ALL = "all"

# Which of an item's two sentences is the negated one; the paper's figures show foil first.
NEGATIONS: tuple[Negation, ...] = ("foil", "caption")

POLARITIES: tuple[Polarity, ...] = ("negated", "affirmative")

# What most tables are of; their first columns.
LABELS = ("dataset", "model", "wording")


class Wording(NamedTuple):
    """How an item's sentences are put."""

    name: str
    about: str


class Contrast(NamedTuple):
    """What the two sentences of a pair differ in."""

    name: str
    about: str


CONTRASTS = by_name(
    Contrast("negation", "the source is the negated sentence, found by a lexicon of negators"),
    Contrast("columns", "a column of the dataset says which sentence is the source"),
    Contrast("caption", "the true sentence is the source"),
)


WORDINGS = by_name(
    Wording("standard", "the sentences as they are in the dataset"),
    Wording(
        "rephrased",
        "captions that start with There is/are; “some” makes both sentences equally long",
    ),
)


class Direction(NamedTuple):
    """Which sentence's run is patched into which."""

    name: str
    source: Polarity
    base: Polarity
    about: str


DIRECTIONS = by_name(
    Direction("negate", "negated", "affirmative", "the paper's: the negation is brought in"),
    Direction("affirm", "affirmative", "negated", "the reverse: the negation is taken out"),
)


SOURCE_OF: dict[str, Polarity] = {d.name: d.source for d in DIRECTIONS.values()}
BASE_OF: dict[str, Polarity] = {d.name: d.base for d in DIRECTIONS.values()}


class Role(NamedTuple):
    """What a token of a sentence is."""

    name: str
    about: str


# In sentence order, in which maps show them.
ROLES = by_name(
    Role("SOT", "start token"),
    Role("there", "“There”"),
    Role("be", "“is” or “are”"),
    Role("determiner", "“no”, or what stands in its place: a, some"),
    Role("shared_before", "before the first token that differs"),
    Role("edit", "tokens that differ"),
    Role("shared_between", "between two spans that differ"),
    Role("shared_after", "behind the last token that differs"),
    Role("subject_first", "first token of the subject"),
    Role("subject_rest", "every further token of the subject, a trailing phrase included"),
    Role("full_stop", "the full stop"),
    Role("EOT", "end token"),
    Role("padding", "what fills the context behind the end token, where the tower reads it"),
    Role("pooled", "the position that is read out, where it lies behind the end token"),
)
# Roles of sentences that differ in the determiner after "There is/are", and of all others.
THERE_ROLES = (
    *("SOT", "there", "be", "determiner", "subject_first", "subject_rest", "full_stop", "EOT"),
)
DIFF_ROLES = (
    *("SOT", "shared_before", "edit", "shared_between", "shared_after"),
    *("subject_first", "subject_rest", "EOT"),
)


def in_sentence_order(roles: Iterable[str]) -> list[str]:
    """Distinct roles in sentence order, then all positions at once, then what else there is."""
    order = [*ROLES, ALL]
    there = list(dict.fromkeys(roles))
    return [*(role for role in order if role in there), *(r for r in there if r not in order)]


# Where the two sentences differ.
EDITED_ROLES = ("determiner", "edit")


class Site(NamedTuple):
    """Which activation is patched."""

    name: str
    label: str  # what is patched, in words
    figure: str  # stem of the figure of its map
    title: str  # of that figure
    states: bool = False  # whether layers are hidden states 0..L rather than blocks

    @property
    def layers(self) -> str:
        """What its layers are, in words."""
        return "hidden state" if self.states else "block"


SITES = by_name(
    Site("resid", "hidden state", "cte_map", "Restoration by token and hidden state", True),
    Site(
        "attn_out",
        "attention output",
        "attn_out_restoration",
        "Restoration by attention output",
    ),
    Site("mlp_out", "MLP output", "mlp_out_restoration", "Restoration by MLP output"),
    Site("head", "head", "head_restoration", "Restoration by head"),
    Site("q", "queries of a head", "query_restoration", "Restoration by a head's queries"),
    Site("k", "keys of a head", "key_restoration", "Restoration by a head's keys"),
    Site("v", "values of a head", "value_restoration", "Restoration by a head's values"),
    Site(
        "pattern",
        "attention pattern of a head",
        "pattern_restoration",
        "Restoration by a head's attention pattern",
    ),
)


class Segment(NamedTuple):
    """Items by d, with the configuration's thresholds."""

    name: str
    about: str


SEGMENTS = by_name(
    Segment("correct", "d at or above segments.correct_from"),
    Segment("ambiguous", "d between the thresholds"),
    Segment("incorrect", "d below segments.incorrect_below"),
)


class Effect(NamedTuple):
    """How the effect of a patch is expressed; a column of the table restoration_map."""

    name: str
    label: str  # of its axis or colour bar
    is_share: bool  # whether 1 is the whole effect


EFFECTS = by_name(
    Effect("ratio", "restoration, ratio of means", True),
    Effect("mean", "mean of ratios", True),
    Effect("difference", "change of the score, logits", False),
    Effect("flip_rate", "share of items that change class", True),
)


class Control(NamedTuple):
    """A negative control: an entry of the configuration that is derived from another."""

    name: str
    section: Literal["datasets", "models"]
    notice: str  # what a reader of its results must know first


CONTROLS = by_name(
    Control(
        "neutral",
        "datasets",
        "A negative control: a neutral word stands where the original has “no”. What is called "
        "negation here is that swap, and accuracy means nothing.",
    ),
    Control(
        "shuffled",
        "datasets",
        "A negative control: every item has the image of another. Accuracy should be about one "
        "half over both negations; what restoration still shows does not depend on the picture.",
    ),
    Control(
        "random",
        "models",
        "The model's weights are random: it has learned nothing, and its maps are null pictures.",
    ),
)


class Donor(NamedTuple):
    """What every cell is patched from beside the pair's own source run."""

    name: str
    about: str


DONORS = by_name(
    Donor(
        "placebo",
        "a source without negation: a neutral word in the place of “no” (some becomes many, a "
        "becomes the); where there is none, noise as large as the real change",
    ),
    Donor(
        "transfer",
        "another pair's source sentence, with the same edit, roles and length, drawn at random",
    ),
)


class Confirmation(NamedTuple):
    """What a study does to confirm its maps, with the tables and figures that it makes."""

    name: str
    title: str
    tables: tuple[str, ...]
    figures: tuple[str, ...]


CONFIRMATIONS = by_name(
    Confirmation(
        "contributions",
        "Direct contributions",
        ("contributions", "contribution_map"),
        ("direct_and_total",),
    ),
    Confirmation(
        "ablation",
        "Ablation",
        ("ablations", "confirmation", "curves", "minimality"),
        ("ablation", "faithfulness"),
    ),
    Confirmation(
        "edges",
        "Edges and their circuit",
        ("edges", "edge_map", "circuit", "circuit_minimality"),
        ("circuit",),
    ),
    Confirmation(
        "attribution",
        "Gradients against patching",
        ("attributions", "attribution_map", "attribution_trust"),
        ("attribution",),
    ),
    Confirmation(
        "mending", "Mending", ("mended", "mending_grid", "mending", "layer_weights"), ("mending",)
    ),
    Confirmation(
        "mechanism",
        "Mechanism",
        ("head_parts", "head_writes", "head_part_map", "head_write_map", "mechanism"),
        ("mechanism",),
    ),
    Confirmation(
        "direction",
        "Directions",
        (
            *("directions", "direction_accuracy", "direction_cosines"),
            *("direction_map", "direction_transfer"),
        ),
        ("directions",),
    ),
)


class Attribution(NamedTuple):
    """An estimate of patches by gradients."""

    name: str
    label: str


ATTRIBUTIONS = by_name(
    Attribution("atp", "gradients at the base run"),
    Attribution("atp_qk", "gradients with attention computed anew"),
    Attribution("ig", "integrated gradients"),
)


class Figure(NamedTuple):
    """A kind of figure; its caption is ``report/captions/{name}.rst``."""

    name: str  # of its file, up to the first dot
    title: str
    tables: tuple[str, ...] = ()  # of a run that it is drawn from; maps have one by sweep
    of_run: bool = False  # whether every dataset, model and wording has one, whatever the sites


# In reading order.
FIGURES = by_name(
    Figure("planted", "The planted circuit, and what patching finds"),
    Figure("templates", "Restoration by template, negator and head"),
    Figure("histogram_of_d", "Items by d", ("segments",), of_run=True),
    Figure("cte_map", SITES["resid"].title),
    *(Figure(f"cte_map_{name}", f"{SITES['resid'].title}: {name} items") for name in SEGMENTS),
    *(Figure(site.figure, site.title) for site in SITES.values() if site.name != "resid"),
    Figure("intervention", "Restoration by an intervention of the study"),
    Figure("transfer", "Share of the effect that another pair's source has"),
    Figure(
        "direct_and_total", "Direct and total effect of each head", ("contribution_map", "head_map")
    ),
    Figure(
        "ablation", "The found heads ablated, beside random heads", ("ablations", "confirmation")
    ),
    Figure("faithfulness", "Faithfulness and completeness by number of heads", ("curves",)),
    Figure("circuit", "The strong edges, by token and block", ("edge_map",)),
    Figure("attribution", "Effects by gradients, beside those by patching", ("attribution_map",)),
    Figure(
        "mending",
        "Mending: what an edit of the weights does to other items",
        ("mending_grid", "mending"),
    ),
    Figure(
        "mechanism",
        "What acting heads are owed to, and what they write",
        ("mechanism", "head_part_map", "head_write_map"),
    ),
    Figure("directions", "Share of d along the negation direction", ("direction_map",)),
    Figure("specification", "The named heads under other choices", ("specification",)),
    Figure("selectivity", "Negator selectivity by head", ("selectivity_map",), of_run=True),
    Figure(
        "attention_by_role",
        "Attention to the negator by query token",
        ("attention_map", "selectivity_map"),
        of_run=True,
    ),
    Figure(
        "selectivity_correlation",
        "Correlation of selectivity with d",
        ("selectivity_correlation",),
        of_run=True,
    ),
    Figure(
        "d_by_similarity", "d against the similarity of the sentences", ("features",), of_run=True
    ),
    Figure(
        "d_by_subject_size",
        "d against the size of the subject",
        ("features", "accuracy_above_area"),
        of_run=True,
    ),
    Figure("d_by_tokens", "d against the length of the caption", ("features",), of_run=True),
)
