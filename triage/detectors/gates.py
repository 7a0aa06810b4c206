"""Where in a text an expression may match: its required texts stand there in order, within the width of a match.

One pass over folded text tells where each required text stands; what follows is arithmetic over arrays of places.
Expressions that never match across the end of a sentence want all their texts in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from triage.detectors.engine import Pattern, Store, make_engine
from triage.detectors.gate_plan import SLOTS, GatePlan
from triage.detectors.gate_text import BLANK, Codes, fold_codes, marked
from triage.detectors.requirements import ENDS_OF_SENTENCES
from triage.detectors.words import Words

_KEY = 1 << 42
_STRETCH = 1 << 14
_MARGIN = 1 << 16
_ENDS = numpy.zeros(0x10000, dtype=bool)
_ENDS[[ord(character) for character in ENDS_OF_SENTENCES]] = True


class Gates:
    """Finds the places.

    Args:
        plan: What to look for.
        store: Where compiled databases are kept.
    """

    def __init__(self, plan: GatePlan, store: Store) -> None:
        self._finders: dict[int, _Finder] = {}
        self._texts = list(enumerate(plan.texts))
        self._store = store
        self._symbols = [
            (len(plan.texts) + number, [min(ord(character), 0xFFFF) for character in symbol])
            for number, symbol in enumerate(plan.symbols)
        ]
        self._starts_symbol = numpy.zeros(0x10000, dtype=bool)
        self._starts_symbol[[symbol[0] for _, symbol in self._symbols]] = True
        count = len(plan.texts) + len(plan.symbols)
        numbers = {text: number for number, text in enumerate([*plan.texts, *plan.symbols])}
        links = numpy.array(
            [(numbers[key], slot * len(plan.ways) + way) for key, way, slot in plan.links], dtype=numpy.int64
        )
        links = links.reshape(-1, 2)
        ways = numpy.array(plan.ways, dtype=numpy.int64).reshape(-1, 5)
        self._expression, self._least, self._width, self._sentence, needed = ways.T
        self._missing = numpy.where(numpy.arange(SLOTS)[:, None] >= needed, numpy.inf, 0)
        self._needed = needed
        self._places = numpy.array(plan.places, dtype=numpy.int64).reshape(-1, SLOTS)
        self._gates_of_text = _Table.sorted_by(links[:, 0], links[:, 1], count)
        self._texts_of_gate = _Table.sorted_by(links[:, 1], links[:, 0], len(ways) * SLOTS)
        self._count = count

    def places(self, codes: Codes, apart: Any) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Stretches of a text that may hold a match, by number of the expression.

        Args:
            codes: Of the text, from :func:`~triage.detectors.gate_text.codes_of`.
            apart: Places, ascending, that no match goes across.
        """
        if not len(codes) or not len(self._width):
            return
        identities, ends = self._texts_in(codes)
        if not len(identities):
            return
        stops = _Stops(codes, apart)
        ways, where = self._together(identities, ends, stops)
        if len(ways):
            yield from self._stretches(ways, where, stops, len(codes))

    # --- where each text stands -------------------------------------------------------------------------------
    def _texts_in(self, codes: Codes) -> tuple[Any, Any]:
        """Identities that occur, and the end of each, in no order."""
        width = codes.dtype.itemsize
        if width not in self._finders:
            self._finders[width] = _Finder(self._texts, width, self._store)
        folded, kept = fold_codes(codes)
        identities, places = self._finders[width].find(folded)
        places = kept[places - 1] + 1
        found, ends = [identities], [places]
        at = numpy.flatnonzero(marked(codes, self._starts_symbol))
        for identity, symbol in self._symbols if len(at) else ():
            here = at[codes[at] == symbol[0]]
            if len(symbol) == 2:
                here = here[here + 1 < len(codes)]
                here = here[codes[here + 1] == symbol[1]]
            found.append(numpy.full(len(here), identity))
            ends.append(here + len(symbol))
        return numpy.concatenate(found), numpy.concatenate(ends)

    # --- which of them stand together ---------------------------------------------------------------------------
    def _together(self, identities: Any, ends: Any, stops: _Stops) -> tuple[Any, Any]:
        """Ways of which all gates are open near one another, and the places of their rarest gates in this text."""
        counts = numpy.bincount(identities, minlength=self._count)
        alive, order = self._open(counts)
        if not len(alive):
            return alive, alive
        by_text = numpy.argsort(
            identities.astype(numpy.uint16 if len(counts) < 0x10000 else numpy.int64), kind="stable"
        )
        events = _Table(by_text, counts)
        in_sentences, anywhere = (_apart(ends, kind) for kind in (stops.sentences, stops.others))

        def keys(index: Any, at: Any) -> Any:
            """Places of events as keys that keep ways apart."""
            return index * _KEY + numpy.where(self._sentence[alive[index]] != 0, in_sentences[at], anywhere[at])

        index, at = self._at_gates(events, order[:, 0] * len(self._needed) + alive)
        near = keys(index, at)
        for rank in range(1, SLOTS):
            wanted = self._needed[alive[index]] > rank
            if not wanted.any():
                break
            left = numpy.flatnonzero(numpy.bincount(index[wanted], minlength=len(alive)))
            others, at_others = self._at_gates(events, order[left, rank] * len(self._needed) + alive[left])
            there = numpy.append(numpy.sort(keys(left[others], at_others)), numpy.iinfo(numpy.int64).max)
            ways = alive[index]
            behind = self._places[ways, order[index, rank]] - self._places[ways, order[index, 0]]
            reach = self._width[ways] + 2
            low = near - numpy.where(behind > 0, 0, reach)
            high = near + numpy.where(behind < 0, 0, reach)
            passed = ~wanted | (there[numpy.searchsorted(there, low)] <= high)
            index, at, near = index[passed], at[passed], near[passed]
        return alive[index], ends[at]

    def _open(self, counts: Any) -> tuple[Any, Any]:
        """Ways of which each gate is open somewhere, and their gates, those that are rarest in this text first."""
        present = numpy.flatnonzero(counts)
        gates, source = self._gates_of_text.of(present)
        totals = numpy.bincount(gates, weights=counts[present][source], minlength=self._missing.size)
        totals = totals.reshape(SLOTS, -1) + self._missing
        alive = numpy.flatnonzero(numpy.minimum.reduce(totals, axis=0) > 0)
        return alive, numpy.argsort(totals[:, alive].T, axis=1)

    def _at_gates(self, events: _Table, gates: Any) -> tuple[Any, Any]:
        """Events that open gates: the position of the gate among those given, and the event."""
        texts, gate = self._texts_of_gate.of(gates)
        found, source = events.of(texts)
        return gate[source], found

    def _stretches(
        self, ways: Any, where: Any, stops: _Stops, size: int
    ) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        reach = self._width[ways] + 2
        low = numpy.maximum(where - reach, 0)
        high = numpy.minimum(where + reach, size)
        sentence = self._sentence[ways] != 0
        for kind, meant in ((stops.sentences, sentence), (stops.others, ~sentence)):
            if len(kind):
                index = numpy.searchsorted(kind, where - 1, side="right")
                before = numpy.where(index > 0, kind[numpy.maximum(index - 1, 0)], 0)
                after = numpy.where(index < len(kind), kind[numpy.minimum(index, len(kind) - 1)] + 1, size)
                low = numpy.where(meant, numpy.maximum(low, before), low)
                high = numpy.where(meant, numpy.minimum(high, after), high)
        enough = high - low >= self._least[ways]
        ways, low, high = ways[enough], low[enough], high[enough]
        numbers = self._expression[ways]
        order = numpy.lexsort((low, numbers))
        yield from _merged(numbers[order].tolist(), low[order].tolist(), high[order].tolist())


class _Finder:
    """Finds texts in folded text: those at the beginning of a word by table, others by a multi-pattern engine.

    Args:
        texts: (identity, text).
        width: Bytes of a character of the folded text.
        store: Where compiled databases are kept.
    """

    def __init__(self, texts: Sequence[tuple[int, str]], width: int, store: Store) -> None:
        encoding = "ascii" if width == 1 else "utf-16-le"
        fit = [(number, text) for number, text in texts if width == 2 or text.isascii()]
        self._width = width
        self._words = Words([(number, text[1:]) for number, text in fit if text[0] == BLANK], width)
        inside = [(number, text) for number, text in fit if text[0] != BLANK]

        def patterns() -> list[Pattern]:
            return [Pattern.of(text.encode(encoding), number) for number, text in inside]

        self._inside = make_engine(f"texts of width {width}", patterns, store)
        self._trailing = numpy.zeros(len(texts), dtype=numpy.int64)
        self._trailing[[number for number, text in fit if text[-1] == BLANK]] = 1

    def find(self, folded: Codes) -> tuple[Any, Any]:
        """Identities that occur, and the end of each in the text, in no order."""
        identities, places = self._words.find(folded)
        found, ends = self._inside.events(folded.tobytes())
        if found:
            others, stops = numpy.array(found, dtype=numpy.int64), numpy.array(ends, dtype=numpy.int64)
            if self._width == 2:
                whole = stops % 2 == 0
                others, stops = others[whole], stops[whole] // 2
            identities, places = numpy.concatenate((identities, others)), numpy.concatenate((places, stops - 1))
        return identities, places - self._trailing[identities]


class _Stops:
    """Where in a text a match of an expression cannot go on.

    Attributes:
        sentences: Ends of sentences, for expressions that stay within one.
        others: For all others.
    """

    def __init__(self, codes: Codes, apart: Any) -> None:
        ends = marked(codes, _ENDS)
        if len(apart):
            ends = ends.copy()
            ends[apart] = True
        self.sentences = numpy.flatnonzero(ends)
        self.others = apart


def _apart(ends: Any, stops: Any) -> Any:
    """Places moved so far apart at each stop that no reach bridges it."""
    if not len(stops):
        return ends + _MARGIN
    return ends + numpy.searchsorted(stops, ends - 1, side="right") * _STRETCH + _MARGIN


class _Table:
    """Numbers that belong to each of many keys.

    Args:
        values: The numbers, those of key 0 first.
        counts: How many belong to each key.
    """

    def __init__(self, values: Any, counts: Any) -> None:
        self._values = values
        self._counts = counts
        self._starts = numpy.cumsum(counts) - counts

    @classmethod
    def sorted_by(cls, keys: Any, values: Any, count: int) -> _Table:
        """From a key, below ``count``, for each number."""
        return cls(values[numpy.argsort(keys, kind="stable")], numpy.bincount(keys, minlength=count))

    def of(self, keys: Any) -> tuple[Any, Any]:
        """The numbers of the given keys, and for each the position of its key among these."""
        counts = self._counts[keys]
        source = numpy.repeat(numpy.arange(len(keys)), counts)
        inside = numpy.arange(len(source)) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
        return self._values[self._starts[keys][source] + inside], source


def _merged(
    numbers: Sequence[int], lows: Sequence[int], highs: Sequence[int]
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Stretches by number, those that touch joined."""
    current = -1
    stretches: list[tuple[int, int]] = []
    for number, low, high in zip(numbers, lows, highs, strict=True):
        if number != current:
            if stretches:
                yield current, stretches
            current, stretches = number, [(low, high)]
        elif low <= stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], max(high, stretches[-1][1]))
        else:
            stretches.append((low, high))
    if stretches:
        yield current, stretches
