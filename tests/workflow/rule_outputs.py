"""Prints the outputs of every rule of a checkout as JSON, by number and by name."""

import json
import re
import sys
import tempfile
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ResourceSettings


def outputs(root: Path) -> dict[str, dict[str, str]]:
    """Patterns of each rule, without the constraints of their wildcards."""
    found = {}
    with tempfile.TemporaryDirectory() as folder, SnakemakeApi() as api:
        workflow = api.workflow(
            ResourceSettings(cores=1), snakefile=root / "Snakefile", workdir=Path(folder)
        )
        for rule in workflow._workflow.rules:
            named = {
                name: path if isinstance(path, str) else path[0]
                for name, path in rule.output.items()
            }
            found[rule.name] = {
                str(name): re.sub(r"\{(\w+),[^}]*\}", r"{\1}", path)
                for name, path in [*enumerate(rule.output), *named.items()]
            }
    return found


if __name__ == "__main__":
    print(json.dumps(outputs(Path(sys.argv[1]))))
