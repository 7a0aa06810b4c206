"""F08: times at the edges of every calendar are kept, or absent, and never raise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.model.times import Times, iso_from_ns


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-11_644_473_600 * 10**9, "1601-01-01T00:00:00Z"),
        (2_147_483_648 * 10**9, "2038-01-19T03:14:08Z"),
        (1_500_000_000_123_456_789, "2017-07-14T02:40:00.123456Z"),
        (1_833_029_933_770 * 10**9, None),  # year 60056
        (-(10**30), None),
    ],
)
def test_f08_edges(nanoseconds, text):
    assert iso_from_ns(nanoseconds) == text


@given(st.integers(min_value=-(2**70), max_value=2**70))
def test_f08_any_value_is_text_or_nothing(nanoseconds):
    assert iso_from_ns(nanoseconds) is None or iso_from_ns(nanoseconds).endswith("Z")


def test_local_time_without_a_zone_is_not_called_utc():
    assert Times(mtime=0, zone_known=False).as_dict() == {"mtime": "1970-01-01T00:00:00"}
