"""Binary property lists: objects by number, without recursion, and lines of text of what they hold.

Format: Apple, ``CFBinaryPList.c``; archives of objects (``NSKeyedArchiver``) as Foundation writes them. A list may
refer to one object many times: what is told of it ends at a number of lines, however it is tangled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import unpack
from typing import Any

from triage.content.decoders.interface import Data
from triage.model.times import iso_from_ns

_APPLE_EPOCH = 978_307_200
_MAX_OBJECTS = 2_000_000
_MAX_STRING = 1 << 20
MAX_DEPTH = 60


class BplistError(Exception):
    """The content is no binary property list; never leaves this room."""


@dataclass(frozen=True, slots=True)
class Uid:
    """A reference into the table of an archive of objects."""

    number: int


@dataclass(frozen=True, slots=True)
class Refs:
    """An array or set (``keys`` empty) or a dictionary: numbers of objects."""

    keys: tuple[int, ...]
    values: tuple[int, ...]
    is_dict: bool


class Bplist:
    """One binary property list.

    Args:
        data: The whole list.

    Raises:
        BplistError: It is none, or its table of objects does not hold.
    """

    def __init__(self, data: Data) -> None:
        self.data = bytes(data)
        if len(self.data) < 40 or not self.data.startswith(b"bplist0"):
            raise BplistError("no binary property list")
        trailer = self.data[-32:]
        self._offset_size, self._ref_size = trailer[6], trailer[7]
        count, self.top, table = unpack(">QQQ", trailer[8:])
        if self._offset_size not in range(1, 9) or self._ref_size not in range(1, 9):
            raise BplistError("its trailer does not hold")
        if table >= len(self.data) or count > min((len(self.data) - table) // self._offset_size, _MAX_OBJECTS):
            raise BplistError("its table of objects lies outside")
        self.count, self._table = count, table
        self._known: dict[int, Any] = {}

    def get(self, number: int) -> Any:
        """One object: text, bytes, number, time as text, :class:`Uid`, :class:`Refs`; None for what does not hold."""
        if number not in self._known:
            self._known[number] = self._read(number) if 0 <= number < self.count else None
        return self._known[number]

    def _read(self, number: int) -> Any:
        at = self._table + number * self._offset_size
        position = int.from_bytes(self.data[at : at + self._offset_size], "big")
        if position >= self._table:
            return None
        mark = self.data[position]
        kind, low = mark >> 4, mark & 15
        position += 1
        if kind == 0:
            return {8: False, 9: True}.get(low)
        if kind in (1, 2, 3):
            return self._number(kind, self.data[position : position + (1 << low)])
        if kind == 8:
            return Uid(int.from_bytes(self.data[position : position + low + 1], "big"))
        length = low
        if low == 15:
            size = 1 << (self.data[position] & 15) if self.data[position] >> 4 == 1 else 0
            length = int.from_bytes(self.data[position + 1 : position + 1 + size], "big")
            position += 1 + size
        if kind == 4:
            return self.data[position : position + length]
        if kind in (5, 7):
            return self.data[position : position + min(length, _MAX_STRING)].decode("utf-8", "replace")
        if kind == 6:
            return self.data[position : position + 2 * min(length, _MAX_STRING)].decode("utf-16-be", "replace")
        if kind in (10, 12):
            return Refs((), self._refs(position, length), False)
        if kind == 13:
            keys = self._refs(position, length)
            return Refs(keys, self._refs(position + length * self._ref_size, length), True)
        return None

    def _number(self, kind: int, raw: bytes) -> Any:
        if kind == 1:
            return int.from_bytes(raw, "big", signed=len(raw) >= 8)
        if len(raw) not in (4, 8):
            return None
        value = unpack(">f" if len(raw) == 4 else ">d", raw)[0]
        if kind == 2:
            return value
        return iso_from_ns(int((value + _APPLE_EPOCH) * 1e9)) if abs(value) < 1e11 else None

    def _refs(self, position: int, length: int) -> tuple[int, ...]:
        length = max(min(length, (self._table - position) // self._ref_size), 0)
        raw = self.data[position : position + length * self._ref_size]
        size = self._ref_size
        return tuple(int.from_bytes(raw[at : at + size], "big") for at in range(0, len(raw), size))

    def archive(self) -> tuple[int, tuple[int, ...]] | None:
        """For an archive of objects: the number of its top dictionary and the numbers of its objects; else None."""
        top = self.get(self.top)
        if not isinstance(top, Refs) or not top.is_dict:
            return None
        fields = {
            self.get(key): value
            for key, value in zip(top.keys, top.values, strict=False)
            if isinstance(self.get(key), str)
        }
        objects = self.get(fields["$objects"]) if "$objects" in fields else None
        if "$archiver" not in fields or not isinstance(objects, Refs) or "$top" not in fields:
            return None
        return fields["$top"], objects.values


def lines(plist: Bplist, limit: int) -> Iterator[tuple[str, Any]]:
    """Paths and values of what a list holds, depth first; texts, numbers, times and bytes.

    Args:
        plist: The list.
        limit: Objects to look at.
    """
    archive = plist.archive()
    objects = archive[1] if archive is not None else ()
    stack: list[tuple[str, int, int]] = [("", archive[0] if archive is not None else plist.top, 0)]
    while stack and limit > 0:
        limit -= 1
        path, number, depth = stack.pop()
        value = plist.get(number)
        if isinstance(value, Uid):
            if value.number and value.number < len(objects) and depth < MAX_DEPTH:
                stack.append((path, objects[value.number], depth + 1))
        elif isinstance(value, Refs):
            if depth < MAX_DEPTH:
                stack.extend(reversed(list(_inner(plist, path, value, depth + 1))))
        elif value is not None and value != "$null":
            yield path, value


def _inner(plist: Bplist, path: str, value: Refs, depth: int) -> Iterator[tuple[str, int, int]]:
    """What a container holds, with paths; how an archive writes its containers is left out of these."""
    if not value.is_dict:
        for index, number in enumerate(value.values):
            yield f"{path}[{index}]", number, depth
        return
    names = [plist.get(key) for key in value.keys]
    for name, number in zip(names, value.values, strict=False):
        if name == "$class":
            continue
        if name in ("NS.objects", "NS.keys", "NS.string", "NS.bytes", "NS.data", "NS.time"):
            yield path + (".keys" if name == "NS.keys" else ""), number, depth
        else:
            yield f"{path}.{name}".lstrip(".") if isinstance(name, str) else path, number, depth
