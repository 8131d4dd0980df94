"""Steps as the job graph sees them: read from their source, so that nothing is imported.

A step is a function of a module in ``negtrace/steps`` under the decorator ``@step``, whose
arguments are the tables that it returns.  The annotation of a parameter says which directive of its
rule the value comes from; the columns that the tables share (dataset, model, wording) come from
wildcards.  `shell_line` makes the rule's command from that, and ``python -m negtrace.steps`` reads
it by the same list.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = Path(__file__).parents[1]
TABLES_FILE = PACKAGE.parent / "schemas" / "tables.json"

# Directive of the rule by annotation; a parameter with another one is among the rule's params.
DIRECTIVES = {
    "Table": "input",
    "Tables": "input",
    "TablesByPath": "input",
    "ModelsByPath": "input",
    "Input": "input",
    "Inputs": "input",
    "SweepTable": "input",
    "Output": "output",
    "Label": "wildcards",
    "Resource": "resources",
    "ResourceName": "resources",
}
# Settings that provenance leaves out: places on the machine, entries of the configuration that may
# name some, and what only makes a rule run again.
UNRECORDED = ("Place", "Entry", "Trigger")
MANY = ("Tables", "TablesByPath", "ModelsByPath", "Inputs", "SweepTable")
# Of a step with one of these, a job makes the tables of many sweeps, one after the other.
OF_SWEEPS = ("SweepName", "SweepTable", "SweepTable | None")
# Types that stand for several options, and where each of their fields comes from.
COMPOSED = {
    "Compute": {
        "dtype": "params.dtype",
        "device": "resources.device",
        "memory_mb": "resources.activation_mb",
        "threads": "threads",
    },
    "Downloads": {
        "mirror": "resources.mirror",
        "offline": "resources.offline",
        "connections": "resources.connections",
    },
}


class Parameter(NamedTuple):
    """A parameter of a step's function, and the options that it is made of."""

    name: str
    annotation: str
    options: dict[str, str]  # what Snakemake fills in, as in "input.scores", by option

    @property
    def is_list(self) -> bool:
        """Whether any number of words may follow its option."""
        return self.annotation in MANY or self.annotation.endswith(" | None")


class Step(NamedTuple):
    """A step's definition."""

    name: str
    stage: str  # module in negtrace/steps
    node: ast.FunctionDef

    @property
    def parameters(self) -> list[Parameter]:
        arguments = (*self.node.args.args, *self.node.args.kwonlyargs)
        return [_parameter(argument) for argument in arguments]

    @property
    def given(self) -> list[Parameter]:
        """The parameters that need options of their own.

        Labels are options of every step; the name of a sweep is told from its table's.
        """
        known = (*self.labels, *(p.name for p in self.parameters if p.annotation == "SweepName"))
        return [parameter for parameter in self.parameters if parameter.name not in known]

    @property
    def of_sweeps(self) -> bool:
        """Whether a job makes each of its outputs for any number of sweeps."""
        return any(parameter.annotation in OF_SWEEPS for parameter in self.parameters)

    @property
    def tables(self) -> dict[str, str]:
        """Kinds of the tables that the step returns, by output: arguments of ``@step``."""
        call = _decorator(self.node)
        assert call is not None
        same = {ast.literal_eval(kind): ast.literal_eval(kind) for kind in call.args}
        return same | {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}

    @property
    def labels(self) -> list[str]:
        """The shared columns of its tables: dataset, model, wording, or some of them."""
        return sorted({name for kind in self.tables.values() for name in labels_of(kind)})


def _decorator(node: ast.stmt) -> ast.Call | None:
    """The call of ``@step`` above a function, if it is one."""
    calls = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    named = [c for c in calls if isinstance(c, ast.Call) and ast.unparse(c.func) == "step"]
    return named[0] if named else None


def _parameter(argument: ast.arg) -> Parameter:
    name, annotation = argument.arg, ast.unparse(argument.annotation or ast.Constant("str"))
    directive = DIRECTIVES.get(annotation.removesuffix(" | None"), "params")
    source = "threads" if name == "threads" else f"{directive}.{name}"
    return Parameter(name, annotation, COMPOSED.get(annotation, {name: source}))


@cache
def labels_of(kind: str) -> tuple[str, ...]:
    """The shared columns of a kind of table, from ``schemas/tables.json``."""
    return tuple(declared()["tables"][kind].get("shared", ()))


@cache
def declared() -> dict[str, Any]:
    """What ``schemas/tables.json`` says."""
    found: dict[str, Any] = json.loads(TABLES_FILE.read_text(encoding="utf-8"))
    return found


@cache
def steps() -> dict[str, Step]:
    """All steps by name.

    Raises:
        ValueError: two steps have one name.
    """
    found: dict[str, Step] = {}
    for path in sorted((PACKAGE / "steps").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and _decorator(node):
                if node.name in found:
                    raise ValueError(f"{found[node.name].stage} and {path.stem}: {node.name}")
                found[node.name] = Step(node.name, path.stem, node)
    return found


def shell_line(step: str, kept: bool = False, side_by_side: bool = False) -> str:
    """A rule's command, with Snakemake's placeholders; what it says goes into the rule's log.

    Args:
        kept: tables get a second name, so that nothing is computed twice (`tables.kept`).
        side_by_side: of sweeps, as many are worked on at once as the rule has threads.
    """
    how = " --kept={params.code:q}" * kept + " --processes={threads}" * side_by_side
    return f"{_command(step)}{how} > {{log:q}} 2>&1"


def shown_line(step: str) -> str:
    """The same for a rule that somebody asked for by name, who sees what it says."""
    return f"{_command(step)} 2>&1 | tee {{log:q}}"


def _command(step: str) -> str:
    return " ".join(["python -m negtrace.steps", step, *_words(steps()[step])])


def _words(step: Step) -> Iterator[str]:
    for name in step.labels:
        yield f"--{name}={{wildcards.{name}:q}}"
    for parameter in step.given:
        # Joined by "=", an empty or negative value is no option of its own.
        joint = " " if parameter.is_list else "="
        for option, source in parameter.options.items():
            yield f"--{option}{joint}{{{source}:q}}"
    joint = " " if step.of_sweeps else "="
    for name in step.tables:
        yield f"--{name}{joint}{{output.{name}:q}}"
