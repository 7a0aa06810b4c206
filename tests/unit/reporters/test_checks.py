"""Commands of other tools: right, and safe to copy into a shell."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.documents import evidence_reports, line, make_finding
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry, EntryType
from triage.model.finding import Finding
from triage.model.volume import Allocation, EvidenceSource, Volume
from triage.reporters.checks import Place, checks, shell_word

RAW = EvidenceSource("d.raw", (Path("/e/d.raw"),), "raw", 10**9)
NTFS = Volume("p2", 1_048_576, 10**8, Allocation.ALLOCATED, "mbr", "NTFS", "ntfs", 4096)


def hit(offset: int = 1200, length: int = 18) -> Finding:
    return make_finding(lines=(line("x", 0.5, offset=offset, length=length),), meta_address=64)


def commands(finding: Finding, place: Place) -> list[str]:
    return [check.command for check in checks(finding, place)]


def test_whole_content_with_its_expected_digest_and_the_bytes_of_the_match() -> None:
    finding = hit()
    whole, match = checks(finding, Place(RAW, NTFS))
    assert whole.command == "icat -i raw -f ntfs -o 2048 /e/d.raw 64 | sha256sum"
    assert whole.expect == finding.hashes["sha256"]
    assert match.command == "icat -i raw -f ntfs -o 2048 /e/d.raw 64 | xxd -s 1168 -l 82"


def test_an_entry_gives_the_attribute_and_deleted_entries_are_recovered() -> None:
    entry = Entry(Address("d.raw", "p2", b"/a.txt", b"ads"), EntryType.FILE, 10, 64, 128, 5)
    finding = replace(hit(), state="deleted")
    assert commands(finding, Place(RAW, NTFS, entry))[0].startswith(
        "icat -r -i raw -f ntfs -o 2048 /e/d.raw 64-128-5 |"
    )


def test_a_bare_file_system_needs_no_offset_and_an_unknown_one_no_type() -> None:
    bare = replace(NTFS, image_offset=0, file_system="newfs")
    assert commands(hit(), Place(RAW, bare))[0] == "icat -i raw /e/d.raw 64 | sha256sum"


def test_split_images_name_every_segment_and_ewf_the_first() -> None:
    split = replace(RAW, container="split", paths=(Path("/e/d.001"), Path("/e/d.002")))
    assert "icat -i raw -f ntfs -o 2048 /e/d.001 /e/d.002 64" in commands(hit(), Place(split, NTFS))[0]
    assert "/evidence/laptop.E01 64" in commands(hit(), Place(evidence_reports()[0].source, NTFS))[0]


def test_byte_runs_give_the_place_in_the_image() -> None:
    runs = (ByteRun(0, 40960, 1_089_536, 1024), ByteRun(1024, 81920, 1_130_496, 4096))
    assert commands(hit(), Place(RAW, NTFS, None, runs))[2] == "xxd -s 1130672 -l 18 /e/d.raw"
    ewf = evidence_reports()[0].source
    assert commands(hit(), Place(ewf, NTFS, None, runs))[2] == (
        "blkcat -i ewf -f ntfs -o 2048 /evidence/laptop.E01 20 1 | xxd -s 176 -l 18"
    )
    hole = (ByteRun(0, -1, -1, 4096),)
    assert len(commands(hit(), Place(RAW, NTFS, None, hole))) == 2


def test_a_match_is_shown_no_further_than_its_run() -> None:
    runs = (ByteRun(0, 40960, 1_089_536, 1210),)
    assert commands(hit(), Place(RAW, NTFS, None, runs))[2].startswith("xxd -s 1090736 -l 10 ")


def test_space_that_no_file_owns() -> None:
    address = Address("d.raw", "p2", space="unallocated", offset=4096, length=65536)
    finding = replace(hit(100, 10), address=str(address), path=address.local)
    assert commands(finding, Place(RAW, NTFS)) == [
        "dd if=/e/d.raw iflag=skip_bytes,count_bytes skip=1052736 count=78 status=none | xxd"
    ]
    ewf = evidence_reports()[0].source
    assert commands(finding, Place(ewf, NTFS)) == [
        "img_cat -i ewf -s 2056 -e 2056 /evidence/laptop.E01"
        " | dd iflag=skip_bytes,count_bytes skip=64 count=78 status=none | xxd"
    ]


def test_a_member_of_a_container_needs_two_steps() -> None:
    address = Address("d.raw", "p2", b"/a.zip", members=(b"b.txt",))
    outer, inner = checks(replace(hit(), address=str(address)), Place(RAW, NTFS))
    assert outer.command == "icat -i raw -f ntfs -o 2048 /e/d.raw 64 > container.bin"
    assert inner.command == ""
    assert inner.expect


def test_what_cannot_be_named_is_said() -> None:
    assert "vmdk" in checks(hit(), Place(replace(RAW, container="vmdk"), NTFS))[0].title
    assert "no command" in checks(replace(hit(), meta_address=0), Place(RAW, NTFS))[0].title
    assert checks(replace(hit(), address="not an address"), Place(RAW, NTFS)) == ()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("/a/b.dd", "/a/b.dd"),
        ("a b", "'a b'"),
        ("$(reboot)", "'$(reboot)'"),
        ("it's", "'it'\"'\"'s'"),
        ("\x1b[2J'\\", "$'\\x1b[2J\\x27\\x5c'"),
        ("\u202ex", "$'\\xe2\\x80\\xaex'"),
        ("a\udcff0", "$'a\\xff0'"),
    ],
)
def test_n04_shell_words(text: str, word: str) -> None:
    assert shell_word(text) == word


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=40).filter(lambda name: 0 not in name))
def test_property_bash_reads_back_the_same_bytes(name: bytes) -> None:
    word = shell_word(name.decode("utf-8", "surrogateescape"))
    assert word.isprintable()
    done = subprocess.run(
        ["bash", "--norc", "-c", f"printf %s {word}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert done.stdout == name


@pytest.mark.parametrize(
    ("stream", "is_plain"), [(b"", False), (b"com.apple.decmpfs", False), (b"Zone.Identifier", True)]
)
def test_no_command_that_would_give_other_bytes(stream: bytes, is_plain: bool) -> None:
    """icat gives what is compressed, or zeros; other streams of such a file are as they are."""
    note = "compressed by the Windows Overlay Filter (LZX)"
    address = Address("d.raw", "p2", b"/a.exe", stream)
    entry = Entry(address, EntryType.FILE, 10, 64, 128, 5, caveats=(note,))
    found = checks(replace(hit(), address=str(address)), Place(RAW, NTFS, entry))
    assert bool(found[0].command) is is_plain
    assert (note in found[0].title) is not is_plain
    assert found[0].expect
