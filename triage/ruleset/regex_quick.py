"""The short way through a pattern: what most of it consists of, read in one step."""

from __future__ import annotations

import re

from triage.ruleset.regex_tree import Choice, Edge, Leaf, Node, Repeat, Text

_PLAIN = r"[^\\\[\](){}*+?|.^$]"
# Plain characters, a group of plain alternatives, the edge of a word,
# and one character or class with its repeat. Anything else, and anything doubtful, goes the long way.
_QUICK = re.compile(
    rf"""(?P<plain>{_PLAIN}+)(?![{{*+?])
       | \(\?:(?P<words>{_PLAIN}+(?:\|{_PLAIN}+)+)\)(?![{{*+?])
       | \\(?P<edge>[bB])(?![{{*+?])
       | (?P<leaf>\\[dDwWsS]|{_PLAIN})
         (?:(?P<mark>[*+?])|\{{(?P<low>[0-9]{{1,3}})(?:(?P<comma>,)(?P<high>[0-9]{{0,3}}))?\}})?\??(?![{{*+?])""",
    re.VERBOSE,
)
MARKS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def quick_node(pattern: str, position: int, *, fold: bool) -> tuple[Node, int] | None:
    """The node that begins at a position, and where it ends; None where the long way must judge.

    Args:
        pattern: The pattern.
        position: Character of it, from 0.
        fold: Ignore case in any event.
    """
    found = _QUICK.match(pattern, position)
    node = _node(found, fold=fold) if found else None
    return (node, found.end()) if found and node else None


def _node(found: re.Match[str], *, fold: bool) -> Node | None:
    match found.lastgroup:
        case "plain":
            return Text(found["plain"], fold)
        case "words":
            return Choice(tuple(Text(word, fold) for word in found["words"].split("|")))
        case "edge":
            return Edge(found["edge"])
    leaf = Leaf(f"(?i:{found['leaf']})" if fold else found["leaf"])
    if found["mark"]:
        return Repeat(leaf, *MARKS[found["mark"]], found.end("leaf"))
    if not found["low"]:
        return leaf
    least = int(found["low"])
    most = least if not found["comma"] else int(found["high"]) if found["high"] else None
    return None if most is not None and most < least else Repeat(leaf, least, most, found.end("leaf"))
