"""Btrfs over several devices: what is there is joined, what is not is named."""

from __future__ import annotations

import struct

import pytest

from tests.support.btrfs_image import SUPER, Patched, image, read
from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.btrfs import checksum
from triage.evidence.keychain import Keychain
from triage.evidence.volumes import btrfs_devices
from triage.model.entry import Entry
from triage.model.problem import Reason
from triage.model.volume import Allocation, Volume


def device(number: int, devices: int = 2, pool: bytes = b"") -> Patched:
    """A device that says so in its superblock; the first one holds everything."""
    block = bytearray(image()[SUPER : SUPER + 4096])
    block[32:48] = pool or block[32:48]
    struct.pack_into("<Q", block, 136, devices)
    struct.pack_into("<Q", block, 201, number)
    block[:4] = checksum.digest(checksum.CRC32C, bytes(block[32:]))
    return Patched({SUPER: bytes(block)})


def layer(stream: Patched, *others: Patched) -> btrfs_devices.BtrfsLayer:
    return btrfs_devices.open_layer(stream, "evidence p1", Keychain(), others)


def test_only_several_devices_are_a_layer() -> None:
    assert btrfs_devices.detect(device(1))
    assert not btrfs_devices.detect(device(1, devices=1))
    assert not btrfs_devices.detect(Patched({SUPER + 64: b"x"}))
    assert not btrfs_devices.detect(Patched({SUPER + 148: b"\xff\xff\xff\xff"}))
    with pytest.raises(CorruptStructureError):
        layer(device(1, devices=1))


def test_file_system_is_listed_once_with_its_first_device() -> None:
    first, second, alien = device(1), device(2), device(3, pool=b"x" * 16)
    assert layer(second, alien, first).volumes == ()
    opened = layer(first, alien, second)
    assert [each.name for each in opened.volumes] == ["btrfs1"]
    assert opened.problems == () and opened.replaces
    volume = opened.volumes[0]
    assert volume.length == 2 * len(image()) and volume.open_file_system is not None
    file_system = volume.open_file_system(
        Volume("p1.btrfs1", 0, volume.length, Allocation.ALLOCATED, "bare", parent="p1"), "evidence"
    )
    entries = {
        each.address.path: each for each in file_system.walk() if isinstance(each, Entry) and not each.attribute_id
    }
    assert read(file_system, entries[b"/home/inline"]) == b"inline content"
    assert {run.image_offset for run in file_system.byte_runs(entries[b"/home/plain"])} == {-1}
    opened.close()


def test_absent_devices_are_told() -> None:
    opened = layer(device(1, devices=3), device(3, devices=3))
    assert [problem.reason for problem in opened.problems] == [Reason.TRUNCATED]
    assert "1, 3" in opened.problems[0].message


def test_file_system_on_an_absent_device_is_an_error() -> None:
    opened = layer(device(2))
    open_file_system = opened.volumes[0].open_file_system
    assert open_file_system is not None
    with pytest.raises(EvidenceError, match="device 1"):
        open_file_system(Volume("p1.btrfs1", 0, 0, Allocation.ALLOCATED, "bare", parent="p1"), "evidence")
