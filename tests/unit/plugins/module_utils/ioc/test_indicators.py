"""Indicators that could never be found are refused; the others are compared in one form."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.indicators import Indicator, read_indicators


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("sha256", "AB" * 32, "ab" * 32), ("path", "/tmp/.x*", "/tmp/.x*"), ("address", "2001:DB8:0::1", "2001:db8::1"),
        ("address", " 192.0.2.1 ", "192.0.2.1"), ("domain", "Evil.Example.COM.", "evil.example.com"), ("user", "eve", "eve"),
        ("schedule", "Curl -s", "curl -s"),
    ],
)  # fmt: skip
def test_they_are_read_in_one_form(kind: str, value: str, wanted: str) -> None:
    assert read_indicators([{"type": kind, "value": value}] * 2) == [Indicator(kind, wanted)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("sha256", "ab"), ("path", "x"), ("path", "/"), ("path", "/a/**"), ("path", "/a/../b"), ("address", "1.2.3"), ("address", "1.2.3.0/24"),
        ("domain", "localhost"), ("domain", "a b.com"), ("domain", "a..com"), ("user", ""), ("user", "a:b"), ("schedule", "ab"),
        ("schedule", "abc\ndef"),
    ],
)  # fmt: skip
def test_what_could_never_be_found_is_refused(kind: str, value: str) -> None:
    with pytest.raises(UpkeepError, match=r"indicators\[1\]"):
        read_indicators([{"type": "user", "value": "eve"}, {"type": kind, "value": value}])


def test_none_and_too_many_are_refused() -> None:
    with pytest.raises(UpkeepError, match="at least one"):
        read_indicators([])
    with pytest.raises(UpkeepError, match="more than"):
        read_indicators([{"type": "user", "value": "eve"}] * 10_001)
