"""Prints the outputs of every rule of a checkout as JSON: {rule: {name or number: pattern}}."""

import json
import re
import sys
import tempfile
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ResourceSettings


def outputs(root: Path) -> dict[str, dict[str, str]]:
    """Patterns without the constraints of their wildcards."""
    found = {}
    with tempfile.TemporaryDirectory() as folder, SnakemakeApi() as api:
        workflow = api.workflow(
            ResourceSettings(cores=1), snakefile=root / "Snakefile", workdir=Path(folder)
        )
        for rule in workflow._workflow.rules:
            names = {place: name for name, (place, _) in rule.output._get_names()}
            found[rule.name] = {
                str(names.get(place, place)): re.sub(r"\{(\w+),[^}]*\}", r"{\1}", str(pattern))
                for place, pattern in enumerate(rule.output)
            }
    return found


if __name__ == "__main__":
    print(json.dumps(outputs(Path(sys.argv[1]))))
