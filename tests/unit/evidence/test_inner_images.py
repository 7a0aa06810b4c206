"""What an inner image asks for is looked for in its own folder, and nowhere else."""

from __future__ import annotations

import pytest

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.inner_images import Beside, InnerImage, is_inside_image, placed
from triage.model.address import Address
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream


class Files:
    """A file system of which only files are opened."""

    def open_entry(self, entry):
        return MemoryStream(entry.address.path)


def file(path):
    return Entry(Address("e", "p1", path), EntryType.FILE, 10, 5)


def beside(*paths, chain=()):
    return Beside(Files(), [file(path) for path in paths], chain=chain)


def test_the_base_name_alone_is_looked_for():
    folder = beside(b"/vm/base.vmdk", b"/vm/other.vmdk")
    for asked in ("base.vmdk", "C:\\vms\\base.vmdk", "/a/b/../base.vmdk", "BASE.VMDK"):
        assert folder.find(asked, "parent").stream.read_at(0, 99) == b"/vm/base.vmdk"
    for asked in ("", "..", "nbd://host/base.vmdk", "base.vmdk\x00", "gone.vmdk"):
        with pytest.raises(UnsupportedFormatError, match="not beside it"):
            folder.find(asked, "parent")


def test_a_name_that_two_files_fit_by_case_is_not_guessed():
    with pytest.raises(UnsupportedFormatError):
        beside(b"/A.vhd", b"/a.VHD").find("a.vhd", "parent")
    assert beside(b"/A.vhd", b"/a.vhd").find("a.vhd", "parent").stream.read_at(0, 9) == b"/a.vhd"


def test_a_chain_that_comes_back_ends():
    folder = beside(b"/a.qcow2", b"/b.qcow2", chain=(b"/a.qcow2",))
    found = folder.find("b.qcow2", "backing file")
    with pytest.raises(CorruptStructureError, match="comes back"):
        found.beside.find("a.qcow2", "backing file")


def test_extents_are_parts_and_parents_are_not():
    folder = beside(b"/flat.vmdk", b"/parent.vmdk")
    folder.find("parent.vmdk", "parent")
    folder.find("flat.vmdk", "extent")
    assert folder.used == {b"/flat.vmdk"}
    assert folder.names() == ("flat.vmdk", "parent.vmdk")


def test_names_of_volumes_in_images():
    assert is_inside_image("p2.img1")
    assert is_inside_image("p2.img13.p1.lv2")
    assert not is_inside_image("p2.imga")
    assert not is_inside_image("p2.vss1")


def test_problems_are_told_of_the_file():
    problem = Problem("e p0:$gap@0+1", "evidence/vdi", Reason.TRUNCATED, "bytes 0 to 1")
    (told,) = placed([problem], InnerImage("p1.img1", file(b"/a.vdi")))
    assert told.address == "e p1:/a.vdi"
    assert told.message == "bytes 0 to 1"
