"""Images out of an archive on a local server, each with fallback addresses."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile

import pandas as pd
import pytest
from http_server import serve
from PIL import Image

from negtrace.data.archive_images import ImageArchive, fetch_images
from negtrace.data.images import FILE_COLUMNS
from negtrace.errors import InputError
from negtrace.fetching.downloads import Downloads

QUICK = Downloads(attempts=2, backoff_s=0.001)
ZIP = "/data/images.zip"


def picture(shade: int) -> bytes:
    memory = io.BytesIO()
    Image.new("L", (8, 8), shade).save(memory, "PNG")
    return memory.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return memory.getvalue()


def items(*rows: tuple[str, str | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image_file", "image_id"]).astype("str")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# a is in the archive, b at the first address, c at the second, d is a text in the archive and a
# picture at the first address, e is nowhere, f has no image_id.
ITEMS = items(("f", None), ("e", "5"), ("d", "4"), ("c", "3"), ("b", "2"), ("a", "1"), ("a", "1"))


@pytest.fixture
def server():
    files = {
        ZIP: zipped({"images/a": picture(1), "images/d": b"no picture"}),
        "/first/2.png": picture(2),
        "/first/3.png": b"no picture",
        "/first/4.png": picture(4),
        "/second/3.png": picture(3),
        "/second/2.png": picture(9),
    }
    with serve(files) as running:
        yield running


@pytest.fixture
def archive(server):
    fallback = (server.url("/first/{image_id}.png"), server.url("/second/{image_id}.png"))
    return ImageArchive(server.url(ZIP), fallback=fallback)


def test_every_image_comes_from_the_first_source_with_a_picture(server, archive, tmp_path):
    table = fetch_images(ITEMS, archive, tmp_path, QUICK)
    assert list(table.columns) == FILE_COLUMNS
    assert list(table["image_file"]) == list("abcdef")
    table = table.astype(object).where(table.notna(), None)
    assert list(table["origin"]) == ["archive", *["fallback"] * 3, None, None]
    assert list(table["url"]) == [
        server.url(ZIP),
        server.url("/first/2.png"),
        server.url("/second/3.png"),
        server.url("/first/4.png"),
        None,
        None,
    ]
    shades = [1, 2, 3, 4]
    assert list(table["sha256"]) == [digest(picture(shade)) for shade in shades] + [None, None]
    assert [(tmp_path / name).read_bytes() for name in "abcd"] == [picture(s) for s in shades]
    assert not (tmp_path / "e").exists()


def test_a_missing_image_has_a_reason_that_lists_what_was_tried(server, archive, tmp_path):
    reasons = fetch_images(ITEMS, archive, tmp_path, QUICK).set_index("image_file")["reason"]
    assert reasons[list("abcd")].isna().all()
    assert reasons["e"] == (
        f"{server.url(ZIP)}: images/e is not in the archive; "
        f"{server.url('/first/5.png')}: HTTP 404 Not Found; "
        f"{server.url('/second/5.png')}: HTTP 404 Not Found"
    )
    assert reasons["f"].count("the image has no image_id") == 2


def test_a_second_run_fetches_only_what_was_missing_and_keeps_origins(server, archive, tmp_path):
    first = fetch_images(ITEMS, archive, tmp_path, QUICK)
    server.requests.clear()
    pd.testing.assert_frame_equal(fetch_images(ITEMS, archive, tmp_path, QUICK), first)
    assert {request.path for request in server.requests} == {ZIP, "/first/5.png", "/second/5.png"}
    server.requests.clear()
    had = ITEMS[ITEMS["image_file"].isin(list("abcd"))]
    pd.testing.assert_frame_equal(fetch_images(had, archive, tmp_path, QUICK), first[:4])
    assert server.requests == []


def test_an_image_whose_source_is_no_longer_configured_is_fetched_again(server, archive, tmp_path):
    fetch_images(items(("b", "2")), archive, tmp_path, QUICK)
    other = archive._replace(fallback=archive.fallback[1:])
    table = fetch_images(items(("b", "2")), other, tmp_path, QUICK)
    assert table["url"][0] == server.url("/second/2.png")
    assert (tmp_path / "b").read_bytes() == picture(9)


def test_a_file_that_was_no_picture_is_not_kept(server, archive, tmp_path):
    server.files["/second/3.png"] = b"no picture"
    wanted = items(("c", "3"))
    (reason,) = fetch_images(wanted, archive, tmp_path, QUICK)["reason"]
    assert reason.count("not a readable image") == 2
    server.files["/first/3.png"] = picture(6)
    assert fetch_images(wanted, archive, tmp_path, QUICK)["reason"].isna().all()
    assert (tmp_path / "c").read_bytes() == picture(6)


def test_what_was_fetched_is_a_mirror_for_another_machine(server, archive, tmp_path):
    first = fetch_images(ITEMS, archive, tmp_path / "one", QUICK)
    server.requests.clear()
    offline = Downloads(mirror=tmp_path / "one" / ".sources", offline=True)
    second = fetch_images(ITEMS, archive, tmp_path / "two", offline)
    pd.testing.assert_frame_equal(second.drop(columns="reason"), first.drop(columns="reason"))
    assert server.requests == []


def test_images_can_be_moved_with_their_folder(archive, tmp_path):
    fetch_images(ITEMS, archive, tmp_path / "one", QUICK)
    os.rename(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two" / "b").read_bytes() == picture(2)


def test_files_that_somebody_put_there_are_taken_as_they_are(server, archive, tmp_path):
    (tmp_path / "a").write_bytes(picture(7))
    (tmp_path / "b").write_text("no picture")
    (tmp_path / "elsewhere").write_bytes(picture(8))
    (tmp_path / "c").symlink_to("elsewhere")
    wanted = items(("a", "1"), ("b", "2"), ("c", "3"))
    a, b, c = fetch_images(wanted, archive, tmp_path, QUICK).to_dict("records")
    assert (a["origin"], a["sha256"]) == ("folder", digest(picture(7)))
    assert (c["origin"], c["sha256"]) == ("folder", digest(picture(8)))
    assert pd.isna(b["origin"])
    assert pd.isna(b["sha256"])
    assert "not a readable image" in b["reason"]
    assert (tmp_path / "b").read_text() == "no picture"
    assert server.requests == []


def test_an_archive_that_cannot_be_had_leaves_the_fallback(server, archive, tmp_path):
    server.behave(ZIP, status=403)
    table = fetch_images(items(("a", "1"), ("b", "2")), archive, tmp_path, QUICK)
    assert table["reason"][0].startswith(f"{server.url(ZIP)}: HTTP 403 Forbidden; ")
    assert table["origin"][1] == "fallback"


def test_images_with_one_address_share_what_it_gives(server, archive, tmp_path):
    wanted = items(("x", "3"), ("y", "3"))
    table = fetch_images(wanted, archive, tmp_path, QUICK)
    assert list(table["url"]) == [server.url("/second/3.png")] * 2
    assert len(server.asked("/first/3.png")) == 1


def test_names_are_quoted_in_addresses_and_may_have_folders(server, tmp_path):
    server.files["/first/deep/p q#1.png"] = picture(5)
    archive = ImageArchive(server.url(ZIP), fallback=[server.url("/first/{image_file}")])
    table = fetch_images(items(("deep/p q#1.png", None)), archive, tmp_path, QUICK)
    assert table["url"][0] == server.url("/first/deep/p%20q%231.png")
    assert (tmp_path / "deep" / "p q#1.png").read_bytes() == picture(5)


def test_a_server_without_ranges_gives_the_whole_archive_once(server, archive, tmp_path):
    server.behave(ZIP, ranges=False)
    wanted = items(("a", "1"))
    assert fetch_images(wanted, archive, tmp_path, QUICK)["origin"][0] == "archive"
    server.requests.clear()
    (tmp_path / "a").unlink()
    fetch_images(wanted, archive, tmp_path, QUICK)
    assert (tmp_path / "a").read_bytes() == picture(1)
    assert server.requests == []


def test_connections_are_limited(server, tmp_path):
    server.behave(delay_s=0.01)
    wanted = items(*((f"{number}.png", str(number)) for number in range(20)))
    archive = ImageArchive(server.url(ZIP), fallback=[server.url("/first/{image_id}.png")])
    fetch_images(wanted, archive, tmp_path, Downloads(connections=3))
    assert server.peak == 3


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/x", ".", ".sources/x", "x/", "a\nb", "a\0b", "a\\..\\b", "n" * 256],
)
def test_names_that_leave_the_folder_have_a_reason(server, archive, tmp_path, name):
    folder = tmp_path / "images"
    table = fetch_images(items((name, "1"), ("a", "1")), archive, folder, QUICK)
    assert table.set_index("image_file")["reason"].isna().to_dict() == {name: False, "a": True}
    assert {path.name for path in tmp_path.iterdir()} == {"images"}
    assert {path.name for path in folder.iterdir()} == {"a", ".sources"}


@pytest.mark.parametrize("template", ["images/{image_id}", "{image_id}", "images/{image_id}.png"])
@pytest.mark.parametrize("leading", ["../" * 4, "", "x/" + "../" * 6])
def test_an_image_id_leads_out_of_no_folder(server, tmp_path, template, leading):
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"mine")
    image_id = leading + ("outside" if leading else str(outside))
    names = {template.format(image_id=name) for name in (image_id, str(outside), "1")}
    server.files[ZIP] = zipped(dict.fromkeys(names, picture(1)))
    archive = ImageArchive(server.url(ZIP), template, [server.url("/first/{image_id}.png")])
    wanted = items(("a", image_id), ("b", "1"), ("c", "../../../../x"), ("d", ""))
    for _ in range(2):
        table = fetch_images(wanted, archive, tmp_path / "images" / "here", QUICK)
        # "images//tmp/…" stays inside, an absolute path and ".." do not.
        inside = not leading and template.startswith("images/")
        assert table["reason"].isna().tolist() == [inside, True, False, False]
        assert outside.read_bytes() == b"mine"
        assert {path.name for path in tmp_path.iterdir()} == {"images", "outside.png"}
        assert {path.name for path in (tmp_path / "images").iterdir()} == {"here"}


def test_members_that_are_files_and_folders_at_once(server, tmp_path):
    members = {"x": picture(1), "x/y": picture(2), "z": picture(3)}
    server.files[ZIP] = zipped(members)
    archive = ImageArchive(server.url(ZIP), "{image_id}")
    wanted = items(("a", "x"), ("b", "x/y"), ("c", "z"), ("c/d", "z"))
    for _ in range(2):
        table = fetch_images(wanted, archive, tmp_path, QUICK).set_index("image_file")
        assert table["reason"].isna().to_dict() == {"a": True, "b": False, "c": True, "c/d": False}
    again = fetch_images(items(("e", "z/f")), archive, tmp_path, QUICK)
    assert "folder in another's place" in again["reason"][0]


def test_what_somebody_put_there_is_not_replaced_or_deleted(server, archive, tmp_path):
    kept = tmp_path / "images" / ".sources" / "127.0.0.1" / "data" / "images.zip" / "images"
    kept.mkdir(parents=True)
    (kept / "a").write_text("somebody's")
    (tmp_path / "images" / "b").symlink_to(tmp_path / "not yet there")
    (tmp_path / "images" / "deep").symlink_to(tmp_path)
    wanted = items(("a", "9"), ("b", "2"), ("deep/c", "3"))
    table = fetch_images(wanted, archive, tmp_path / "images", QUICK)
    assert table["reason"].notna().all()
    assert (kept / "a").read_text() == "somebody's"
    assert "remove it to fetch it again" in table["reason"][0]
    assert (tmp_path / "images" / "b").readlink() == tmp_path / "not yet there"
    assert {path.name for path in tmp_path.iterdir()} == {"images"}


def test_an_image_with_two_ids_has_a_reason(archive, tmp_path):
    table = fetch_images(items(("a", "1"), ("a", None), ("a", "2")), archive, tmp_path, QUICK)
    assert table["reason"].tolist() == ["it has several image_ids (1, 2)"]


@pytest.mark.parametrize(
    "template", ["http://h/{image}", "http://h/{}", "http://h/{", "http://h/{image_id.x}"]
)
def test_a_template_with_other_placeholders_is_refused(server, tmp_path, template):
    archive = ImageArchive(server.url(ZIP), fallback=[template])
    with pytest.raises(InputError, match=r"placeholders may be \{image_file\} and \{image_id\}"):
        fetch_images(items(("a", "1")), archive, tmp_path, QUICK)
