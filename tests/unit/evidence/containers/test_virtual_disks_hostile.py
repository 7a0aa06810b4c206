"""Seeded mutations of one image per format: only typed errors, whole reads, bounded ranges."""

import importlib
import random
import uuid

import pytest

from tests.support import apple_disks as apple
from tests.support import virtual_disks as disks
from triage.errors import EvidenceError
from triage.evidence.containers.beside import Found, Nowhere
from triage.evidence.containers.mapped_container import MODULES
from triage.model.stream import MemoryStream

ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)
MEDIA = disks.pattern(150_016)
RUNS = 250


class Anything:
    """A folder where every file is there."""

    def find(self, asked, role):
        return Found(MemoryStream(disks.vhd(1 << 20, {}, ONE)), asked, Nowhere())

    def names(self):
        return ("a.vdi", "b.vmdk")


def images():
    block = b"\xff" * 16, disks.pattern(65536)
    log = disks.vhdx_log_entry(ONE, 5, 0, {4 << 20: b"Z" * 4096, 5 << 20: None}, 0)
    with_log = disks.vhdx(4 << 20, {0: (6, b"A")}, ONE, log=ONE)
    with_log[1 << 20 : (1 << 20) + len(log)] = log
    yield "vhd", disks.vhd(1 << 20, {0: block}, ONE, TWO, "x.vhd")
    yield "vhdx", disks.vhdx(4 << 20, {0: (6, b"A")}, TWO)
    yield "vhdx-log", with_log
    yield "vdi", disks.vdi(1 << 20, {0: b"A", 2: None}, ONE)
    yield "vdi-child", disks.vdi(1 << 20, {0: b"A", 2: None}, ONE, TWO)
    yield "parallels", disks.parallels(1 << 20, {0: b"A", 3: b"B"})
    yield "vmdk", b'# Disk DescriptorFile\nCID=1\nparentCID=2\nparentFileNameHint="x"\nRW 16 FLAT "y" 0\nRW 9 ZERO\n'
    yield "udif", apple.udif(MEDIA, [apple.RAW, apple.ADC, apple.ZLIB, apple.BZIP2, apple.LZMA], 8192)
    yield "udif-old", apple.udif(MEDIA, [apple.ADC], 8192, old=True)
    yield "apple-sparse", apple.sparse_image(20 * 4096, [(3, b"D"), (0, b"A")], 4096)
    yield "asif", apple.asif(1 << 20, {0: (3, b"A"), 1: (1, b"B")}, b"\x55" * 99)


IMAGES = dict(images())


def mutate(data, chance):
    raw = bytearray(data)
    hot = chance.choice((128, 1024, 8192, len(raw)))
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = (
            chance.randrange(min(len(raw), hot))
            if chance.random() < 0.7
            else len(raw) - 1 - chance.randrange(min(len(raw), 700))
        )
        if chance.random() < 0.05:
            del raw[at + 1 :]
        else:
            with_ = chance.choice(
                (bytes([chance.randrange(256)]), b"\xff" * 4, b"\x00" * 4, b"\x7f" + b"\xff" * 7, b"\x80" + bytes(7))
            )
            raw[at : at + len(with_)] = with_
    return bytes(raw)


@pytest.mark.parametrize("name", IMAGES)
def test_mutations(name):
    chance = random.Random(name)
    modules = [importlib.import_module(f"triage.evidence.containers.{module}") for module in MODULES]
    for _ in range(RUNS if len(IMAGES[name]) < 3 << 20 else RUNS // 10):
        data = mutate(IMAGES[name], chance)
        stream = MemoryStream(data)
        unit = next((unit for unit in modules if unit.is_image(data[:4096], stream)), None)
        if unit is None:
            continue
        try:
            container = unit.open_stream(stream, "e", Anything())
            size = container.media.size
            for offset in (0, size // 2, max(0, size - 5000), chance.randrange(size)):
                assert len(container.media.read_at(offset, 100_000)) == min(100_000, size - offset)
            end = 0
            for start, length in container.media.data_ranges(0, min(size, 1 << 26)):
                assert end <= start < start + length <= size
                end = start + length
            container.read_problems()
            container.close()
        except EvidenceError:
            pass
