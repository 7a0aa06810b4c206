"""Ranking: units with hits become findings with a score whose every term can be read, and the answers of page one."""

from triage.ranking.page_one import page_one
from triage.ranking.score import rank

__all__ = ["page_one", "rank"]
