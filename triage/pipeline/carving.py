"""Files carved from the space that no file owns, listed like those that have a name."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from triage.content.recovery import Carved, carve
from triage.errors import LimitExceededError
from triage.evidence.free_runs import joined
from triage.evidence.unowned import Space
from triage.model.address import Address
from triage.model.entry import Entry
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

STAGE = "content/carve"
LEAST_BYTES = 64


def carved_files(
    space: Space, stream: Stream, owned: Iterable[tuple[int, int]], volume: Address, beat: Callable[[], None]
) -> Iterator[Entry | Problem]:
    """Files that are found in space by their structure.

    Args:
        space: Of the volume.
        stream: All its free bytes in a row, those that may not be looked at as zeros.
        owned: What deleted entries still claim of it: a file that begins there is theirs.
        volume: For problems.
        beat: Called at every read.
    """
    claimed = joined(owned)
    try:
        for found in carve(_Watched(stream, beat)):
            if found.length < LEAST_BYTES:
                continue
            entry = space.carved(found.offset, found.length, found.extension, _caveats(found))
            index = bisect_right(claimed, (entry.address.offset, 1 << 62)) - 1
            if index < 0 or claimed[index][1] <= entry.address.offset:
                yield entry
    except LimitExceededError as error:
        message = f"carving stopped: {error.message}; what was not carved is searched as it lies there"
        hint = error.hint or "carve with another tool"
        yield Problem(str(volume), STAGE, Reason.LIMIT, message, hint, examined_anyway=True)


def _caveats(found: Carved) -> tuple[str, ...]:
    """What a reader of a carved file must know."""
    whole = "" if found.complete else f"; not whole: {found.reason}"
    return (f"carved: {found.kind}, name and times are lost; checked: {found.validated}{whole}",)


class _Watched:
    """A stream that tells of every read, so that whoever waits knows that the search goes on."""

    def __init__(self, stream: Stream, beat: Callable[[], None]) -> None:
        self._stream = stream
        self._beat = beat

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._stream.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`."""
        self._beat()
        return self._stream.read_at(offset, length)

    def close(self) -> None:
        """Close the stream below."""
        self._stream.close()
