"""exFAT content: the valid length of a file, files without a chain."""

import hashlib
import struct

import pytest

from tests.support.exfat_image import CLUSTER, FAT, HEAP, SECTOR, ExfatFolder, _set_sum, exfat_image
from tests.support.packed_images import opened, walked
from triage.evidence.filesystems import tsk
from triage.evidence.filesystems.exfat import ExfatFacts
from triage.model.stream import MemoryStream


def changed_stream(data: bytearray, *, valid: int | None = None, flags: int | None = None) -> None:
    """Another valid length, or other flags, of the first file of an image."""
    place = data.index(b"\x85", HEAP * SECTOR + 2 * CLUSTER)
    if valid is not None:
        struct.pack_into("<Q", data, place + 40, valid)
    if flags is not None:
        data[place + 33] = flags
    entries = data[place : place + 32 * (data[place + 1] + 1)]
    struct.pack_into("<H", data, place + 2, _set_sum(bytes(entries)))


@pytest.mark.parametrize("valid", [0, 1, 3000, 4096, 8999])
def test_f04_what_was_never_written_is_zeros_and_slack(valid: int) -> None:
    """Old bytes behind the valid length are not the file's; they are searched as slack."""
    content = hashlib.shake_128(b"old").digest(9000)
    data = bytearray(exfat_image(ExfatFolder(files={"a.bin": content, "b.bin": b"b" * 5000})))
    changed_stream(data, valid=valid)
    file_system = opened(tsk, bytes(data))
    entry = walked(file_system)[0][b"/a.bin"]
    assert entry.size == 9000
    assert file_system.read_whole(entry, 1 << 20) == content[:valid] + bytes(9000 - valid)
    assert (
        file_system.open_entry(entry).read_at(max(0, valid - 1), 5)
        == (content[:valid] + bytes(9000 - valid))[max(0, valid - 1) :][:5]
    )
    runs = file_system.byte_runs(entry)
    assert sum(run.length for run in runs if run.image_offset >= 0) == valid
    slack = b"".join(bytes(data)[run.image_offset :][: run.length] for run in file_system.slack_runs(entry))
    assert slack[: 9000 - valid] == content[valid:]
    assert len(slack) == 3 * CLUSTER - valid
    other = walked(file_system)[0][b"/b.bin"]
    assert file_system.read_whole(other, 1 << 20) == b"b" * 5000


def test_a_file_in_one_piece_needs_no_chain() -> None:
    """``NoFatChain``: what the table says of its clusters means nothing."""
    content = hashlib.shake_128(b"piece").digest(9000)
    data = bytearray(exfat_image(ExfatFolder(files={"a.bin": content})))
    changed_stream(data, flags=3)
    data[FAT * SECTOR + 5 * 4 : FAT * SECTOR + 8 * 4] = bytes(12)
    file_system = opened(tsk, bytes(data))
    assert file_system.read_whole(walked(file_system)[0][b"/a.bin"], 1 << 20) == content


@pytest.mark.parametrize("valid", [9001, 1 << 63, (1 << 64) - 1])
def test_a_valid_length_beyond_the_size_means_all(valid: int) -> None:
    """And a slot that is no stream extension tells nothing."""
    data = bytearray(exfat_image(ExfatFolder(files={"a.bin": b"a" * 9000})))
    changed_stream(data, valid=valid)
    file_system = opened(tsk, bytes(data))
    assert file_system.read_whole(walked(file_system)[0][b"/a.bin"], 1 << 20) == b"a" * 9000
    facts = ExfatFacts(MemoryStream(bytes(data)), 0)
    for address in (-1, 0, 2, 3, 10**12):
        assert facts.valid_size(address) is None
