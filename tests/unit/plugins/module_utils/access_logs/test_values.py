"""Values of lines: times, durations, routes, clients; and what counts them in little room."""

from __future__ import annotations

import random
from ipaddress import ip_network

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.busiest import Busiest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.clients import Clients, client_of, read_networks
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.distinct import Distinct
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.durations import (
    NONE,
    DurationClasses,
    class_of,
    percentiles,
    seconds_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.moments import Moments, read_moment
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.routes import EXCLUDED, NOT_HTTP, Agents, Routes
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.figures import SCANNER_PATHS
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.tally import MAX_PATHS, Tally
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

NOON = 1795867200  # 2026-11-28T12:00:00Z


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("28/Nov/2026:12:00:00 +0000", NOON),
        ("28/Nov/2026:13:00:00 +0100", NOON),
        ("28/Nov/2026:06:30:59 -0530", NOON + 59),
        ("2026-11-28T12:00:00+00:00", NOON),
        ("2026-11-28T12:00:00.999Z", NOON),
        ("2026-11-28T17:30:00+0530", NOON),
        ("1795867200.123", NOON),
        ("1795867200", NOON),
        ("1795867200123", NOON),
        ("28/Nov/2026:12:00:00", None),
        ("2026-11-28T12:00:00", None),
        ("31/Feb/2026:12:00:00 +0000", None),
        ("28/Foo/2026:12:00:00 +0000", None),
        ("28/Nov/2026:24:00:00 +0000", None),
        ("28/Nov/2026:12:00:\u0661\u0661 +0000", None),
        ("28/Nov/0000:12:00:00 +0000", None),
        ("-", None),
        ("", None),
    ],
)
def test_a_time_is_read_with_its_offset(text: str, second: int | None) -> None:
    assert read_moment(text) == second
    assert Moments().read([text], "") == {text: second}


def test_remembered_minutes_give_what_reading_anew_gives() -> None:
    moments = Moments()
    texts = [f"28/Nov/2026:{hour:02d}:59:{second:02d}" for hour in (0, 23) for second in (0, 7, 59, 60)]
    for zone in (" +0000", " -0700"):
        assert moments.read(texts, zone) == {text: read_moment(text + zone) for text in texts}
    iso = [f"2026-11-28T12:00:{second:02d}+01:00" for second in range(60)]
    assert moments.read(iso, "") == {text: read_moment(text) for text in iso}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0.000", 0.0),
        ("0.007", 0.007),
        ("0.1", 0.1),
        ("0.1, 0.2", 0.3),
        ("0.01 : 0.02, -", 0.03),
        ("-", None),
        ("", None),
        ("nan", None),
        ("-1", None),
        ("86400", 86400.0),
        ("1e300", 86400.0),
    ],
)
def test_a_duration_is_known_within_a_percent(text: str, seconds: float | None) -> None:
    found = class_of(text)
    if seconds is None:
        assert found == NONE
    else:
        assert seconds_of(found) == pytest.approx(seconds, rel=0.011)
    assert class_of("250", 1.0) == class_of("0.250") == class_of("250000", 0.001)


def test_percentiles_are_those_of_sorting_within_a_percent() -> None:
    chance = random.Random(5)
    values = [round(chance.lognormvariate(-2, 1.5), 3) for _number in range(9_999)]
    classes: dict[int, int] = {NONE: 500}
    for value in values:
        key = class_of(str(value))
        classes[key] = classes.get(key, 0) + 1
    found = percentiles(classes)
    ranked = sorted(values)
    assert found["requests"] == len(values)
    for percent in (50, 75, 90, 95, 99):
        assert found[f"p{percent}"] == pytest.approx(ranked[-(-len(values) * percent // 100) - 1], rel=0.011)
    assert found["max"] == pytest.approx(ranked[-1], rel=0.011)
    assert percentiles({}) == {"requests": 0, "p50": None, "p75": None, "p90": None, "p95": None, "p99": None, "max": None}
    assert percentiles({3: 1})["p50"] == percentiles({3: 1})["max"] == 0.003


@pytest.mark.parametrize(
    ("request_text", "route"),
    [
        ("GET / HTTP/1.1", "GET /"),
        ("GET /items/7 HTTP/1.1", "GET /items/:number"),
        ("GET /items/7/lines/12?a=/9 HTTP/2.0", "GET /items/:number/lines/:number"),
        ("DELETE /u/6f1f6dd2-4b3a-4b8e-9c39-0123456789ab HTTP/1.1", "DELETE /u/:uuid"),
        ("GET /blob/da39a3ee5e6b4b0d HTTP/1.1", "GET /blob/:hash"),
        ("GET /api/v2/status HTTP/1.1", "GET /api/v2/status"),
        ("GET /assets/app-3f9a1c2b.js HTTP/1.1", "GET /assets/app-:hash.js"),
        ("GET /report-20261128.pdf HTTP/1.1", "GET /report-:number.pdf"),
        ("GET http://www.example.com/a/1 HTTP/1.1", "GET /a/:number"),
        ("GET /a/b/c/d/e/f/g/h/i/j HTTP/1.1", "GET /a/b/c/d/e/f/g/h/…"),
        ("ANY /only/path", "ANY /only/path"),
        ("\\x16\\x03\\x01", NOT_HTTP),
        ("-", NOT_HTTP),
        ("", NOT_HTTP),
        ("GET /health HTTP/1.1", EXCLUDED),
        ("GET /health/db?x HTTP/1.1", EXCLUDED),
    ],
)
def test_a_route_has_placeholders_for_what_differs(request_text: str, route: str) -> None:
    assert Routes(("/health", "/health/*"))[request_text] == route


def test_a_long_route_is_cut() -> None:
    assert len(Routes()["GET /" + "x" * 9000 + " HTTP/1.1"]) < 140


PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:f::/48"), ip_network("192.0.2.1/32"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),  # anybody can write the header
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # what stands before was written by that client
        ("10.0.0.1", "198.51.100.1, 10.9.9.9", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, rubbish", "10.0.0.1"),
        ("10.0.0.1", "-", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.1.1.1", "10.1.1.1"),
        ("2001:db8:f::9", "[2001:db8::5]:4711", "2001:db8::5"),
        ("::ffff:10.0.0.1", "198.51.100.1:55", "198.51.100.1"),
        ("unix:", "198.51.100.1", "198.51.100.1"),
        ("rubbish", "198.51.100.1", "rubbish"),
    ],
)
def test_the_client_is_the_last_one_that_is_no_trusted_proxy(peer: str, forwarded: str, client: str) -> None:
    assert client_of(peer, forwarded, PROXIES) == client


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(UpkeepError, match="trusted_proxies: '10.0.0.0/99' is no network"):
        read_networks(["10.0.0.1", "10.0.0.0/99"], "trusted_proxies")


def test_the_frequent_are_found_among_very_many_and_what_is_lost_is_said() -> None:
    chance = random.Random(2)
    things = [f"rare-{number}" for number in range(30_000)] + [f"often-{number % 7}" for number in range(7_000)]
    chance.shuffle(things)
    counter, other = Busiest(500), Busiest(500)
    for begin in range(0, len(things), 500):
        (counter if begin % 1000 else other).add(things[begin : begin + 500])
    counter.merge(other)
    assert {name for name, _number in counter.top(7)} == {f"often-{number}" for number in range(7)}
    for _name, number in counter.top(7):
        assert 1000 - counter.missing <= number <= 1000
    assert sum(counter.counts.values()) + counter.folded == len(things)
    assert len(counter.counts) <= 1000


def test_few_things_are_counted_exactly() -> None:
    counter = Busiest(100)
    counter.add(["a", "b", "a"])
    assert (counter.top(5), counter.folded, counter.missing) == ([("a", 2), ("b", 1)], 0, 0)


@pytest.mark.parametrize("number", [0, 1, 255, 5_000, 60_000])
def test_different_things_are_counted_exactly_or_nearly(number: int) -> None:
    sketch, other = Distinct(256), Distinct(256)
    for begin in range(0, number, 1000):
        sketch.add(f"192.0.2.{thing}" for thing in range(begin, min(number, begin + 1000)))
    other.add(f"192.0.2.{thing}" for thing in range(min(number, 200)))
    sketch.add_hashes(other.hashes)
    assert sketch.count() == pytest.approx(number, rel=0.35 if number > 255 else 0)


def test_what_is_remembered_is_small_however_long_a_text_is() -> None:
    """Forty thousand requests of eight kilobytes would be hundreds of megabytes."""
    long = "x" * 8000
    routes, agents, clients, durations = Routes(["/y"]), Agents(["y"]), Clients(read_networks(["10.0.0.0/8"], "")), DurationClasses()
    for number in range(50):
        assert routes[f"GET /{number}{long} HTTP/1.1"] == routes[f"GET /{number}{long} HTTP/1.1"] != ""
        assert agents[f"{number}{long}"] and clients["10.0.0.1", f"{long}, 192.0.2.{number}"] == f"192.0.2.{number}"
        assert durations[f"{'0' * 8000}{number}"] == durations[str(number)]
    assert routes["GET /a?b=c HTTP/1.1"] == "GET /a"
    for known in (routes, agents, clients, routes._segments, durations):
        assert sum(len(str(key)) for key in known) < 10_000


def test_a_client_that_asks_for_very_much_that_is_not_there_takes_little_room() -> None:
    tally = Tally()
    for _time in range(3):
        tally.note_refused("192.0.2.7", 5000, set(range(5000)))
    requests, paths = tally.refused["192.0.2.7"]
    assert requests == 15_000 and SCANNER_PATHS <= len(paths) == MAX_PATHS
