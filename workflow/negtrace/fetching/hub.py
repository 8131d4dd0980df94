"""Addresses on the Hugging Face hub, as a mirror names its files by them."""

from __future__ import annotations

HUB = "https://huggingface.co"


def model_url(repository: str, name: str = "") -> str:
    """Of a file in a model's repository; without a name, of the folder of its files."""
    return f"{HUB}/{repository}/resolve/main/{name}"


def dataset_url(repository: str) -> str:
    """Of a dataset's repository."""
    return f"{HUB}/datasets/{repository}"
