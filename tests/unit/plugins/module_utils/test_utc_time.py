"""Times are written in one form, and a time without a zone is refused."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils import utc_time


def test_round_trip_in_utc() -> None:
    moment = datetime(2026, 11, 22, 3, 4, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert utc_time.to_iso(moment) == "2026-11-22T01:04:05Z"
    assert utc_time.from_iso("2026-11-22T01:04:05Z") == moment.replace(microsecond=0)
    assert utc_time.from_iso("2026-11-22T03:04:05+02:00") == moment.replace(microsecond=0)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-22T01:04:05", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        utc_time.from_iso(text)


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        utc_time.to_iso(datetime(2026, 1, 1))


def test_a_run_id_spells_its_start() -> None:
    assert utc_time.is_run_id("20261122T014356Z-0a1b2c3d")
    assert utc_time.to_iso(utc_time.run_started("20261122T014356Z-0a1b2c3d")) == "2026-11-22T01:43:56Z"


@pytest.mark.parametrize("run_id", [
    "", "20261122T014356Z", "20261122T014356Z-xyz", "../20261122T014356Z-0a1b2c3d", "20261122T014356Z-0a1b2c3d\n",
    "２０２６1122T014356Z-0a1b2c3d",
])
def test_what_is_no_run_id_is_refused(run_id: str) -> None:
    assert not utc_time.is_run_id(run_id)
    with pytest.raises(ValueError, match="run id"):
        utc_time.run_started(run_id)


def test_a_day_alone_ends_with_its_last_moment() -> None:
    assert utc_time.to_iso(utc_time.end_of("2026-12-31")) == "2027-01-01T00:00:00Z"
    assert utc_time.to_iso(utc_time.end_of("2026-12-31T12:00:00+01:00")) == "2026-12-31T11:00:00Z"


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "9999-12-31", "0001-01-01T00:00:00+05:00", "2026-12-31T12:00:00"])
def test_what_is_no_end_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        utc_time.end_of(text)
