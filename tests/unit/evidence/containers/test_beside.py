"""C07: what an image asks for is opened only beside it, under its own base name, and chains end."""

import os

import pytest

from triage.errors import CorruptStructureError, SourceNotFoundError, UnsupportedFormatError
from triage.evidence.containers import qcow
from triage.evidence.containers.beside import MAX_CHAIN, FileSet, Folder, Nowhere, base_name


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "image").write_bytes(b"i")
    (home / "base.raw").write_bytes(b"base")
    (tmp_path / "secret").write_bytes(b"secret")
    files = FileSet()
    yield home, Folder(files, home / "image")
    files.close()


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("base.raw", "base.raw"),
        ("/vm/base.raw", "base.raw"),
        ("C:\\vm\\base.raw", "base.raw"),
        (".\\base.raw", "base.raw"),
        ("../base.raw", "base.raw"),
        ("..", ""),
        ("a/..", ""),
        ("/", ""),
        ("", ""),
        ("a\x00b", ""),
    ],
)
def test_base_names(asked, name):
    assert base_name(asked) == name


@pytest.mark.parametrize("asked", ["base.raw", "/somewhere/else/base.raw", "D:\\x\\BASE.RAW"])
def test_found_under_its_own_base_name(folder, asked):
    assert folder[1].find(asked, "parent").stream.read_at(0, 9) == b"base"


@pytest.mark.parametrize(
    "asked", ["../secret", "/etc/passwd", "nbd://host/base.raw", "json:{}", "", "..", "x" * 5000, "a\x00"]
)
def test_nothing_else_is_opened(folder, asked):
    with pytest.raises(UnsupportedFormatError, match="parent that the image asks for"):
        folder[1].find(asked, "parent")


def test_links_that_lead_out_are_not_followed(folder, tmp_path):
    (folder[0] / "out").symlink_to(tmp_path / "secret")
    (folder[0] / "dangling").symlink_to(tmp_path / "nothing")
    (folder[0] / "in").symlink_to("base.raw")
    for name in ("out", "dangling"):
        with pytest.raises(UnsupportedFormatError, match="leads out"):
            folder[1].find(name, "parent")
    assert folder[1].find("in", "parent").stream.size == 4


def test_no_fifo_is_waited_on_and_no_folder_read(folder):
    os.mkfifo(folder[0] / "fifo")
    (folder[0] / "dir").mkdir()
    for name in ("fifo", "dir"):
        with pytest.raises(SourceNotFoundError):
            folder[1].find(name, "parent")


def test_names_that_differ_by_case_only_are_not_guessed(folder):
    (folder[0] / "Base.raw").write_bytes(b"other")
    assert folder[1].find("Base.raw", "parent").stream.read_at(0, 9) == b"other"
    with pytest.raises(UnsupportedFormatError):
        folder[1].find("BASE.raw", "parent")


def test_a_chain_ends(folder):
    with pytest.raises(CorruptStructureError, match="comes back"):
        folder[1].find("image", "parent")
    below = folder[1].find("base.raw", "parent")
    with pytest.raises(CorruptStructureError, match="comes back"):
        below.beside.find("image", "parent")
    beside = folder[1]
    for number in range(MAX_CHAIN - 1):
        (folder[0] / f"n{number}").write_bytes(b"x")
        beside = beside.find(f"n{number}", "parent").beside
    with pytest.raises(CorruptStructureError, match="longer than"):
        beside.find("base.raw", "parent")


def test_nowhere_names_what_was_asked_for():
    with pytest.raises(UnsupportedFormatError, match=r"base\.raw"):
        Nowhere().find("base.raw", "parent")
    assert Nowhere().names() == ()


def test_changes_of_the_parent_are_seen(tmp_path):
    base, image = tmp_path / "base.raw", tmp_path / "image.qcow2"
    base.write_bytes(b"b" * 4096)
    image.write_bytes(make_qcow(b"base.raw"))
    container = qcow.open_container((image,), "e")
    assert container.paths == (image, base)
    assert container.media.read_at(0, 10) == b"b" * 10
    assert container.changed() == ()
    base.write_bytes(b"c" * 5000)
    assert container.changed() == (base,)
    container.close()
    container.close()


def make_qcow(backing):
    head = b"QFI\xfb" + (2).to_bytes(4, "big") + (80).to_bytes(8, "big") + len(backing).to_bytes(4, "big")
    head += (16).to_bytes(4, "big") + (65536).to_bytes(8, "big") + bytes(4) + (1).to_bytes(4, "big")
    head += (65536).to_bytes(8, "big")
    return (head.ljust(80, b"\x00") + backing).ljust(131072, b"\x00")
