"""Where a mirror holds what a URL names."""

from __future__ import annotations

import pytest

from negtrace.errors import InputError
from negtrace.fetching.downloads import Downloads, mirror_path


def test_places_have_neither_port_nor_query_nor_quotes(tmp_path):
    place = tmp_path / "host.org" / "a b" / "c.bin"
    assert mirror_path("https://host.org:8080/a%20b/c.bin?download=1#top", tmp_path) == place


@pytest.mark.parametrize(
    "url", ["file.bin", "https://host", "https://host/a/../../b", "https://host/%2e%2e/b"]
)
def test_urls_of_no_file_are_refused(url, tmp_path):
    with pytest.raises(InputError, match="not the URL of a file"):
        mirror_path(url, tmp_path)
    with pytest.raises(InputError, match="not the URL of a file"):
        Downloads().mirrored(url)


def test_only_what_the_mirror_holds_is_mirrored(tmp_path):
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "there").write_text("content")
    downloads = Downloads(mirror=tmp_path)
    assert downloads.mirrored("https://host/there") == tmp_path / "host" / "there"
    assert downloads.mirrored("https://host/absent") is None


def test_without_a_mirror_the_current_folder_is_none(tmp_path, monkeypatch):
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "there").write_text("content")
    monkeypatch.chdir(tmp_path)
    assert Downloads().mirrored("https://host/there") is None
