"""Our streams as images for The Sleuth Kit."""

import pytest

from tests.support.fat_image import fat_image
from triage.errors import ReadFailedError
from triage.evidence.tsk_image import TskImage
from triage.evidence.volumes import tsk_volumes
from triage.model.stream import MemoryStream

pytsk3 = pytest.importorskip("pytsk3")


def test_the_library_reads_through_us():
    """A file system opens on a stream, without any path."""
    image = TskImage(MemoryStream(fat_image({"a.txt": b"x"})))
    assert image.get_size() == len(fat_image({}))
    assert pytsk3.FS_Info(image).info.block_size == 512
    assert image.failed is None


def test_a_failed_read_is_kept():
    """The library sees a short read, the caller finds the first error."""

    class Bad(MemoryStream):
        def read_at(self, offset, length):
            raise ReadFailedError(f"bad at {offset}")

    image = TskImage(Bad(bytes(100_000)))
    with pytest.raises(OSError, match="FS_Info"):
        pytsk3.FS_Info(image)
    assert image.failed is not None
    assert str(image.failed).startswith("bad at")
    assert tsk_volumes.read_any(Bad(bytes(100_000))) is None
