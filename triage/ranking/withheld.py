"""Problems without the names of what is withheld."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from triage.model.problem import Problem
from triage.model.scope import ScopeReport


def unnamed(
    problems: Sequence[Problem], withheld: Sequence[tuple[str, str, int]], scope: ScopeReport | None
) -> list[Problem]:
    """Problems, those with something withheld at its masked address where the scope asks for that.

    Args:
        problems: Of the case.
        withheld: Address, the same masked, bytes.
        scope: What the reports tell of the scope.
    """
    if scope is None or not withheld:
        return list(problems)
    told = set(scope.withheld.addresses)
    masks = {address: mask for address, mask, _ in withheld if address not in told}
    return sorted({_unnamed(problem, masks) for problem in problems})


def _unnamed(problem: Problem, masks: dict[str, str]) -> Problem:
    address = problem.address
    while address:
        if address in masks:
            return replace(
                problem, address=masks[address], message="a problem with something that is withheld", hint=""
            )
        address = (
            address.rpartition("!/")[0]
            if "!/" in address
            else address.removesuffix("$slack") * (address.endswith("$slack"))
        )
    return problem
