"""A Btrfs image that is damaged, cut short, or made to mislead."""

from __future__ import annotations

import random
import struct
from dataclasses import replace

import pytest

from tests.support.btrfs_image import NODE, SUPER, TEXT, Patched, image, listing, opened, read, signed, tree_blocks
from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.btrfs import detect_file_system
from triage.model.problem import Reason


def test_wrong_checksum_of_the_superblock_is_told() -> None:
    entries, problems = listing(opened(Patched({SUPER + 299: b"other"})))
    assert (b"/home/plain", b"") in entries
    assert [problem.message for problem in problems] == [f"the superblock at {SUPER} has a wrong checksum"]


def test_other_default_subvolume_moves_the_rest_below_subvolumes() -> None:
    patches = {}
    for place in tree_blocks(owner=1, level=0):
        block = image()[place : place + NODE]
        name = block.find(b"\x07\x00\x02default")
        if name >= 0:
            start = name - 2 - 8 - 17
            patches[place] = signed(block[:start] + struct.pack("<Q", 256) + block[start + 8 :])
    entries, problems = listing(opened(Patched(patches)))
    assert patches and problems == []
    assert {b"/lzo", b"/inner/file", b"/$subvolumes/5-top-level/snapshot/lzo"} <= {path for path, _ in entries}
    assert entries[b"/lzo", b""].meta_address < 1 << 40
    assert entries[b"/$subvolumes/5-top-level/home", b""].caveats


def test_damaged_tree_block_is_used_and_told() -> None:
    place = tree_blocks(owner=256, level=0)[-1]
    found = [listing(opened(Patched({place + 60: b"\xff"})))[1] for place in tree_blocks(level=0)]
    messages = [problem.message for problems in found for problem in problems]
    assert place and any("wrong checksum" in message for message in messages)


def test_unreadable_tree_block_costs_what_it_holds_only() -> None:
    whole, _ = listing(opened())
    hurt = 0
    for place in tree_blocks(owner=256, level=0):
        media = Patched(bad=(place, place + NODE))
        entries, problems = listing(opened(media))
        if problems:
            hurt += 1
            assert {problem.reason for problem in problems} <= {Reason.UNREADABLE, Reason.CORRUPT}
            assert len(entries) > 1
            assert not all(problem.examined_anyway for problem in problems)
        else:
            assert {key for key in entries if b"Orphan" not in key[0]} >= {
                key for key in whole if b"Orphan" not in key[0]
            }
    assert hurt


def test_older_root_is_taken_where_that_of_now_is_gone() -> None:
    root = struct.unpack_from("<Q", image(), SUPER + 80)[0]
    patches = {
        place: bytes(NODE) for place in tree_blocks() if image()[place + 48 : place + 56] == struct.pack("<Q", root)
    }
    entries, problems = listing(opened(Patched(patches)))
    assert len(patches) == 1
    assert any("the trees of generation" in problem.message and not problem.examined_anyway for problem in problems)
    assert (b"/home/lzo", b"") in entries


def test_nothing_left_is_an_error() -> None:
    patches = {place: bytes(NODE) for place in tree_blocks()}
    with pytest.raises(EvidenceError):
        opened(Patched(patches))
    with pytest.raises(CorruptStructureError):
        opened(Patched({SUPER: bytes(4096)}))


def test_cut_image_reads_as_far_as_it_goes() -> None:
    for size in (SUPER + 4096, 2 << 20, 6 << 20, 14 << 20):
        try:
            file_system = opened(Patched(size=size))
        except EvidenceError:
            continue
        for entry in listing(file_system)[0].values():
            try:
                read(file_system, entry)
            except EvidenceError:
                continue


def mutated(generator: random.Random) -> Patched:
    patches = {}
    for place in generator.choices([*tree_blocks(), SUPER], k=generator.choice((1, 1, 2, 6))):
        block = bytearray(image()[place : place + NODE])
        for _ in range(generator.choice((1, 1, 3, 12))):
            at = generator.randrange(48, generator.choice((160, 600, NODE)) - 8)
            value = generator.choice((0, 1, 1 << 63, (1 << 64) - 1, 1 << 32, generator.getrandbits(64)))
            length = generator.choice((1, 1, 4, 8))
            block[at : at + length] = value.to_bytes(8, "little")[:length]
        patches[place] = signed(bytes(block)) if generator.random() < 0.8 else bytes(block)
    return Patched(patches)


@pytest.mark.parametrize("seed", range(12))
def test_mutations_give_typed_errors_only(seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(12):
        media = mutated(generator)
        detect_file_system(media, 0, media.size)
        try:
            file_system = opened(media)
            entries, _ = listing(file_system)
            sum(run.length for run in file_system.unallocated())
        except EvidenceError:
            continue
        assert len(entries) < 5000
        for entry in list(entries.values())[::7]:
            try:
                stream = file_system.open_entry(entry)
                stream.read_at(0, 4096)
                stream.read_at(entry.size - 10, 100)
                file_system.byte_runs(entry)
            except EvidenceError:
                continue


def test_entry_of_another_file_system_is_refused() -> None:
    file_system = opened()
    entry = listing(file_system)[0][b"/home/lzo", b""]
    for number in (12345, 1 << 61, (1 << 64) + 5, 400 << 47 | 256):
        with pytest.raises(EvidenceError):
            opened().open_entry(replace(entry, meta_address=number))
    with pytest.raises(EvidenceError):
        file_system.open_entry(replace(entry, attribute_id=99))
    assert read(file_system, entry) == TEXT
