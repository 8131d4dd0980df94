"""A copy of the workflow with a small study, and Snakemake run in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import preloaded
import snakemake_server
import yaml

ROOT = Path(__file__).parents[2]
SOURCES = ("Snakefile", "config.yaml", "profiles", "workflow", "envs")
SAMPLE = ROOT / "tests" / "samples" / "existence_small.json"

ARCHITECTURE = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
STUDY = {
    "study": {"title": "A small study", "datasets": ["demo"], "models": ["tiny"], "confirm": []},
    "datasets": {"demo": {"items": 24}},
    "models": {
        name: {"architecture": "tiny.json", "weights": "random", "seed": seed}
        for seed, name in enumerate(("tiny", "other"))
    },
    "compute": {"threads": 1, "memory_gb": 0.5},
    "ablation": {"heads": 1, "draws": 5},
    "figures": {"dpi": 50},
}


def without_times(page: bytes) -> bytes:
    """A report without when it was made and how long its jobs took: no two are alike in that."""
    return re.sub(rb"<div><dt>Comput(ed|ing time)</dt>.*</div>\n", b"", page)


class Checkout:
    """A copy of the workflow with a study of its own, and Snakemake run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.studies = ["study.yaml"]  # configuration files, the last one decides
        self.options: list[str] = []  # of every run
        self.environment: dict[str, str] | None = None  # instead of the test's own
        self.preloaded = True  # jobs do without the time of their imports

    @classmethod
    def create(cls, folder: Path) -> Checkout:
        folder.mkdir(exist_ok=True)
        for name in SOURCES:
            source = ROOT / name
            ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy2(source, folder / name)
        checkout = cls(folder)
        (folder / "tiny.json").write_text(json.dumps(ARCHITECTURE))
        checkout.configure(lambda study: None)
        return checkout

    def configure(self, change: Callable[[dict], None]) -> None:
        """Write the small study with a change."""
        study = json.loads(json.dumps(STUDY))
        change(study)
        (self.folder / "study.yaml").write_text(yaml.safe_dump(study))

    def arguments(self, *arguments: str) -> list[str]:
        studies = ["--configfile", *self.studies] if self.studies else []
        return [*studies, "--nocolor", *self.options, *arguments]

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", *self.arguments(*arguments)]

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run Snakemake and return all that it printed."""
        if self.environment is not None:
            status, printed = self._process(*arguments)
        else:
            python = str(preloaded.folder() / "python") if self.preloaded else sys.executable
            status, printed = snakemake_server.run(self.arguments(*arguments), self.folder, python)
        assert (status != 0) == fails, printed[-5000:]
        return printed

    def _process(self, *arguments: str) -> tuple[int, str]:
        """Run Snakemake as a process of its own; its status, and all that it printed."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def jobs(self, *arguments: str) -> dict[str, int]:
        """Run Snakemake; how many jobs of which rule it ran (with -n: would run)."""
        printed = self.run(*arguments)
        table = printed.partition("Job stats:")[2].partition("total")[0]
        return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}

    def path(self, *parts: str) -> Path:
        return self.folder.joinpath("results", *parts)

    def tables(self) -> dict[str, Path]:
        """All finished tables; what a killed job left behind has a hidden name."""
        found = sorted(self.path().rglob("*.parquet"))
        return {
            str(path.relative_to(self.folder)): path
            for path in found
            if not path.name.startswith(".")
        }

    def results(self) -> dict[str, str]:
        """Hash of every result by path, without logs, benchmarks and the report's times."""
        hashes = {}
        for path in sorted(self.path().rglob("*")):
            name = path.relative_to(self.path())
            hidden = any(part.startswith(".") for part in name.parts)
            if path.is_file() and not hidden and name.parts[0] not in ("logs", "benchmarks"):
                content = path.read_bytes()
                if path.name == "report.html":
                    content = without_times(content)
                hashes[str(name)] = sha256(content).hexdigest()
        return hashes

    def measured(self) -> dict[str, float]:
        """Seconds of every finished job that is measured, by the stem of its log, in order."""
        files = sorted(self.path("benchmarks").iterdir(), key=lambda path: path.stat().st_mtime)
        return {file.stem: float(file.read_text().splitlines()[1].split()[0]) for file in files}

    def undo_from(self, rule: str) -> str:
        """Delete what was not there yet when the first job of a rule began; the stem of its log."""
        measured = self.measured()
        job = next(name for name in measured if name.split(".")[0] == rule)
        ended = self.path("benchmarks", f"{job}.tsv").stat().st_mtime
        for path in self.path().rglob("*"):
            if path.is_file() and path.stat().st_mtime >= ended - measured[job] - 0.5:
                path.unlink()
        return job

    def times(self, pattern: str) -> dict[Path, int]:
        """Modification times of the results that match."""
        return {path: path.stat().st_mtime_ns for path in self.path().glob(pattern)}
