"""A rule's command is what the step's signature says, and is read back as such."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from negtrace.steps.command_line import parser
from negtrace.study.step_source import COMPOSED, Step, shell_line, shown_line, steps

RULES = "\n".join(
    path.read_text()
    for path in sorted((Path(__file__).parents[2] / "workflow/rules").glob("*.smk"))
)


def rule_of(step: str) -> str:
    """The text of the rule that runs a step."""
    bodies = re.split(r"^ *rule ", RULES, flags=re.MULTILINE)[1:]
    found = [body for body in bodies if re.search(rf'(?:shell|shown)_line\("{step}"[,)]', body)]
    assert len(found) == 1, step
    return found[0]


def test_a_command_names_labels_inputs_settings_and_outputs():
    assert shell_line("segments") == (
        "python -m negtrace.steps segments"
        " --dataset={wildcards.dataset:q} --model={wildcards.model:q}"
        " --wording={wildcards.wording:q}"
        " --scores={input.scores:q} --pairs={input.pairs:q} --thresholds={params.thresholds:q}"
        " --segments={output.segments:q} --accuracy={output.accuracy:q} > {log:q} 2>&1"
    )
    assert shown_line("verify").endswith("negtrace.steps verify 2>&1 | tee {log:q}")


def test_lists_and_composed_parameters():
    line = shell_line("runs")
    assert "--tower {input.tower:q}" in line
    for option, source in COMPOSED["Compute"].items():
        assert f"--{option}={{{source}:q}}" in line
    assert "--subject_sizes {input.subject_sizes:q}" in shell_line("features")


@pytest.mark.parametrize("step", steps().values(), ids=lambda step: step.name)
def test_every_step_has_a_rule_that_gives_what_its_command_names(step: Step):
    body = rule_of(step.name)
    assert f'code=code_hash("{step.name}")' in body
    given = {"RUN_INPUTS": ("tower", "alignment", "candidates", "images")}
    for parameter in step.given:
        for source in parameter.options.values():
            directive, _, name = source.partition(".")
            if directive in ("input", "params", "output"):
                shared = [key for key, names in given.items() if name in names and key in body]
                unpacked = "unpack(" in body or "**places." in body or "**LEDGER_FILES" in body
                assert shared or unpacked or re.search(rf"\b{name}=", body), (step.name, source)


@pytest.mark.parametrize("step", steps().values(), ids=lambda step: step.name)
def test_a_command_is_read_back_by_the_same_list(step: Step):
    words = []
    for word in shlex.split(shell_line(step.name).split(" > ")[0])[4:]:
        option, _, source = word.partition("=")
        if source:
            number = source.startswith(("{resources", "{threads"))
            words.append(f"{option}={'1' if number or 'params' in source else 'x'}")
        else:
            words.append("x" if option.startswith("{") else option)
    found = vars(parser(step).parse_args(words))
    asked = {option for p in step.given for option in p.options}
    assert set(found) == asked | set(step.labels) | set(step.tables) | {"kept", "processes"}


def test_a_step_of_sweeps_takes_and_gives_lists_and_may_keep_them():
    line = shell_line("restoration_map")
    assert "--sweep {input.sweep:q} --scores={input.scores:q}" in line
    assert "--donor_sweep {input.donor_sweep:q}" in line
    assert "--spread {output.spread:q}" in line
    assert "--kept" not in line
    line = shell_line("sweep", kept=True)
    assert "--cells" not in line
    assert "--sweep {output.sweep:q} --kept={params.code:q} >" in line
    line = shell_line("restoration_map", side_by_side=True)
    assert "--split_halves {output.split_halves:q} --processes={threads} >" in line


def test_an_empty_list_and_a_negative_number_are_values():
    found = parser(steps()["features"]).parse_args(
        [
            *("--dataset=d", "--model=m", "--wording=w", "--segments=s", "--candidates=c"),
            *("--sentences=s", "--alignment=a", "--subject_sizes", "--features=f"),
            *("--feature_summary=f", "--feature_correlations=f", "--accuracy_above_area=f"),
        ]
    )
    assert found.subject_sizes == []
    thresholds = '--thresholds={"incorrect_below": -1.5, "correct_from": 0}'
    words = [
        *("--dataset=d", "--model=m", "--wording=w", "--scores=s", "--pairs=p", thresholds),
        *("--segments=s", "--accuracy=a"),
    ]
    found = parser(steps()["segments"]).parse_args(words)
    assert found.thresholds == {"incorrect_below": -1.5, "correct_from": 0}
