"""What is said of another contrast: nothing of a negation, and nothing else changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from negtrace.figures.contrast_words import said_of
from negtrace.figures.written import relabel
from negtrace.report.pictures import CAPTIONS, caption
from negtrace.vocabulary import CONTROLS, FIGURES

OTHERS = ("caption", "columns")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Negation in the foil: 12 items.", "Source in the foil: 12 items."),
        ("negation in caption (3 items)", "source in caption (3 items)"),
        ("the effect of the negation", "the effect of the contrast"),
        ("the negation's effect", "the contrast's effect"),
        ("Attention to the negator by query", "Attention to the words that differ by query"),
        ("Correlation of negator selectivity", "Correlation of selectivity"),
        ("Negator selectivity by head", "Selectivity by head"),
        ("a map, direction negate", "a map, direction source into base"),
        ("in the affirmative sentence.", "in the base sentence."),
        ("cells of a head", "cells of a head"),
        ("Most negative mean restoration", "Most negative mean restoration"),
    ],
)
def test_words(text, wanted):
    assert said_of(text, "negation") == text
    for contrast in OTHERS:
        assert said_of(text, contrast) == wanted


# Templates are filled with negators, so their figure is of negations alone.
OF_ANY_CONTRAST = sorted(set(CAPTIONS.glob("*.rst")) - {CAPTIONS / "templates.rst"})


@pytest.mark.parametrize("path", OF_ANY_CONTRAST, ids=lambda path: path.stem)
def test_no_caption_speaks_of_negation(path: Path):
    for paragraph in caption(path.stem):
        said = said_of(paragraph, "caption").lower()
        assert "negat" not in said
        assert "affirmative" not in said


def test_no_title_speaks_of_negation():
    for text in [*(f.title for f in FIGURES.values()), CONTROLS["shuffled"].notice]:
        assert "negati" not in said_of(text, "caption").lower().replace("negative", "")


def test_every_text_of_a_figure():
    figure = Figure()
    figure.suptitle("The negation")
    axis = figure.add_subplot(title="negation in foil", xlabel="the negator")
    axis.plot([1], label="negated sentence")
    axis.legend()
    relabel(figure, "caption")
    assert figure.get_suptitle() == "The contrast"
    assert axis.get_title() == "source in foil"
    assert axis.get_xlabel() == "the words that differ"
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ["source sentence"]
