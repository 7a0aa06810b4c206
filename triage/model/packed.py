"""Data that crosses between processes by the thousand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any


class Packed:
    """Base of dataclasses of two or more fields: pickled as their values in order.

    The pickling that ``dataclass`` makes for slots looks up every field of every object by name and takes twice as
    long.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[type[Packed], tuple[Any, ...]]:
        kind: Any = type(self)
        return kind, _values_of(kind)(self)


@cache
def _values_of(kind: Any) -> Callable[[Packed], tuple[Any, ...]]:
    return attrgetter(*(field.name for field in fields(kind)))
