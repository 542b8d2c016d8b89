"""Agents, countries and routes that no day before has seen: what is kept of days, what counts as new, what is said of it."""

from __future__ import annotations

import json
import os
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.seen_things import (
    KEPT,
    MAX_DAYS,
    Known,
    Span,
    add_seen,
    mark,
    read_seen,
    seen_record,
)
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import NOW, check, inspect, line

FORMAT = '$remote_addr - - [$time_local] "$request" $status $body_bytes_sent "-" "$http_user_agent" $geoip2_data_country_iso_code'
DAY = date(2026, 11, 28).toordinal()


class Site:
    """A group whose log is written anew each day."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.log, self.state = folder / "site.log", folder / "state"
        self.options = {"format": FORMAT, "paths": [str(self.log)], **options}

    def run(self, day: int, *rows: str, **options: Any) -> dict[str, Any]:
        """Run on a day after NOW, with what the log holds then."""
        now = NOW + timedelta(days=day)
        self.log.write_text("".join(rows))
        os.utime(self.log, (now.timestamp(), now.timestamp()))
        given = {**self.options, **options}
        return inspect(now, history=True, state_directory=str(self.state), return_all=True, **given)

    def kept(self) -> dict[str, Any]:
        return dict(json.loads((self.state / "access_logs.json").read_text())["groups"][str(self.log)]["seen"])


def rows(day: int, number: int, *, country: str = "DE", **fields: Any) -> str:
    """Return lines of a day after NOW."""
    return line(NOW + timedelta(days=day, hours=-1), more=f" {country}", **fields) * number


def usual(day: int) -> str:
    return rows(day, 700) + rows(day, 300, country="FR", agent="Mozilla/5.0 Firefox/132.0", request="GET /a/7 HTTP/1.1")


def known_site(folder: Path, days: int = 7, **options: Any) -> Site:
    site = Site(folder, **options)
    for day in range(-days, 0):
        site.run(day, usual(day))
    return site


def new_of(result: dict[str, Any], subject: str | None = None) -> tuple[str, Any, str]:
    row = check(result, "access.new", subject)
    return row["status"], row["value"], row["summary"]


def test_what_is_new_is_a_warning_for_the_day_and_known_on_the_next(tmp_path: Path) -> None:
    site = known_site(tmp_path)
    more = [usual(0), rows(0, 150, agent="python-requests/2.32"), rows(0, 200, country="br", request="GET /new HTTP/1.1")]
    for _run in range(2):
        result = site.run(0, *more)
        row = check(result, "access.new")
        assert (row["status"], row["value"], row["unit"], row["warning"]) == ("warning", 2, "new", 1)
        assert row["summary"] == (
            f"2 agents and countries of {site.log} are new (warning 1 new): python-requests (150, 11.1 %), BR (200, 14.8 %); "
            "1 routes were answered for the first time: GET /new (200, 14.8 %)."
        )
        assert row["evidence"] == {
            "routes": [{"route": "GET /new", "requests": 200, "share_percent": 14.815}],
            "agents": [{"agent": "python-requests", "requests": 150, "share_percent": 11.111}],
            "countries": [{"country": "BR", "requests": 200, "share_percent": 14.815}],
        }
        kept = (tmp_path / "state" / "access_logs.json").read_bytes()
    assert result["groups"][0]["new"]["agents"] == {
        "baseline_days": 7, "compared": 3, "requests_not_kept": 0, "number": 1, "newest": row["evidence"]["agents"],
    }  # fmt: skip
    site.run(0, *more)
    assert (tmp_path / "state" / "access_logs.json").read_bytes() == kept, "a day that is run once more adds nothing"
    status, value, summary = new_of(site.run(1, *(text.replace("28/Nov", "29/Nov") for text in more)))
    assert (status, value) == ("ok", 0) and "0 agents and countries of" in summary and "0 routes were answered" in summary


@pytest.mark.parametrize(("days", "compared"), [(6, False), (7, True)])
def test_without_a_week_before_nothing_is_compared_and_that_is_said(tmp_path: Path, days: int, compared: bool) -> None:
    result = known_site(tmp_path, days).run(0, usual(0), rows(0, 500, agent="zgrab/0.1"))
    status, value, summary = new_of(result)
    assert (status, value) == (("warning", 1) if compared else ("ok", None))
    assert ("have no baseline yet, for which 7 earlier days are needed: they were not compared" in summary) != compared


def test_the_same_day_is_no_day_before_it_however_often_it_is_run(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for _run in range(9):
        result = site.run(0, usual(0))
    assert result["groups"][0]["new"]["agents"]["baseline_days"] == 0


@pytest.mark.parametrize(
    ("row", "given", "expected"),
    [
        ({"number": 99, "agent": "x"}, {}, ("ok", 0, 0)),
        ({"number": 100, "agent": "x"}, {}, ("warning", 1, 0)),
        ({"number": 100, "agent": "x"}, {"new_min_percent": 9.2}, ("ok", 0, 0)),
        ({"number": 100, "agent": "x"}, {"new_min_percent": 9.0}, ("warning", 1, 0)),
        ({"number": 100, "agent": "x"}, {"new_warning": 2}, ("ok", 1, 0)),
        ({"number": 100, "agent": "x"}, {"new_warning": 0}, ("ok", 1, 0)),
        ({"number": 100, "agent": "x"}, {"min_sample": 2000}, ("ok", 1, 0)),
        ({"number": 100, "country": "us"}, {}, ("warning", 1, 0)),
        ({"number": 100, "country": "-"}, {}, ("ok", 0, 0)),
        ({"number": 100, "country": "XX"}, {}, ("ok", 0, 0)),
        ({"number": 100, "country": "<b>"}, {}, ("ok", 0, 0)),
        ({"number": 100, "agent": "curl/9.99"}, {}, ("ok", 0, 0)),
        ({"number": 100, "request": "GET /n HTTP/1.1"}, {}, ("ok", 0, 1)),
        ({"number": 100, "request": "GET /n HTTP/1.1"}, {"new_min_percent": 50.0}, ("ok", 0, 1)),
        ({"number": 99, "request": "GET /n HTTP/1.1"}, {}, ("ok", 0, 0)),
        ({"number": 100, "request": "GET /n HTTP/1.1"}, {"new_routes_warning": 1}, ("warning", 0, 1)),
        ({"number": 100, "request": "GET /n HTTP/1.1"}, {"new_routes_warning": 2}, ("ok", 0, 1)),
        ({"number": 100, "request": "GET /a/8?b HTTP/1.1"}, {}, ("ok", 0, 0)),
        ({"number": 100, "request": "GET /n HTTP/1.1", "status": 404}, {}, ("ok", 0, 0)),
        ({"number": 100, "request": "GET /n HTTP/1.1", "status": 301}, {}, ("ok", 0, 0)),
        ({"number": 100, "request": "GET /n HTTP/1.1", "status": 304}, {}, ("ok", 0, 1)),
        ({"number": 100, "request": "GET /n HTTP/1.1", "status": 101}, {}, ("ok", 0, 1)),
    ],
    ids=str,
)
def test_only_what_matters_counts(tmp_path: Path, row: dict[str, Any], given: dict[str, Any], expected: tuple[str, int, int]) -> None:
    site = known_site(tmp_path, new_min_requests=100)
    result = site.run(0, usual(0), rows(0, **row), **given)
    status, value, _summary = new_of(result)
    assert (status, value, result["groups"][0]["new"]["routes"]["number"]) == expected


def test_each_kind_has_days_of_its_own(tmp_path: Path) -> None:
    """A format that tells the country from today on makes none of them new."""
    site = Site(tmp_path, format="combined")
    for day in range(-7, 0):
        site.run(day, usual(day).replace(" DE\n", "\n").replace(" FR\n", "\n"))
    result = site.run(0, usual(0), rows(0, 200, agent="zgrab"), format=FORMAT)
    status, value, summary = new_of(result)
    assert (status, value) == ("warning", 1)
    assert "1 agents of" in summary and "countries have no baseline yet" in summary
    assert result["groups"][0]["new"]["countries"] == {"baseline_days": 0, "compared": 0, "requests_not_kept": 0, "number": 0, "newest": []}


def test_groups_have_things_of_their_own(tmp_path: Path) -> None:
    site = Site(tmp_path)
    other = tmp_path / "other.log"
    for day in range(-7, 1):
        other.write_text(rows(day, 300, agent="zgrab"))
        at = (NOW + timedelta(days=day)).timestamp()
        os.utime(other, (at, at))
        groups = [{"name": "site", "paths": [str(site.log)]}, {"name": "other", "paths": [str(other)]}]
        result = site.run(day, usual(day), rows(day, 0 if day else 200, agent="zgrab"), paths=[], groups=groups)
    assert [new_of(result, name)[:2] for name in ("site", "other")] == [("warning", 1), ("ok", 0)]


def test_a_log_that_was_not_read_whole_is_no_day_of_a_baseline(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for day in range(-7, 0):
        site.run(day, usual(day), paths=[str(site.log), str(tmp_path / "missing.log")])
    assert site.kept()["agents"]["days"] == [] and len(site.kept()["agents"]["things"]) == 2
    status, value, summary = new_of(site.run(0, usual(0)))
    assert (status, value) == ("ok", None) and "no baseline yet" in summary


def test_names_that_somebody_makes_up_neither_warn_nor_push_out_what_is_usual(tmp_path: Path) -> None:
    site = known_site(tmp_path)
    letters = str.maketrans("0123456789", "abcdefghij")
    usual_marks = set(site.kept()["agents"]["things"])
    for day in range(3):
        flood = [
            line(NOW + timedelta(days=day, hours=-1), agent=f"x{day}{number}x".translate(letters), request=f"GET /{day}{number} HTTP/1.1".translate(letters),
                 more=f" {number % 26:d}".translate(letters))
            for number in range(5000)
        ]  # fmt: skip
        result = site.run(day, usual(day), *flood)
        assert result["groups"][0]["new"]["routes"]["newest"] == [], "what was folded is no route"
    assert new_of(result)[:2] == ("ok", 0)
    assert "rare ones are not compared" in new_of(result)[2]
    kept = site.kept()
    assert {kind: len(known["things"]) for kind, known in kept.items()}["agents"] == KEPT["agents"]
    assert len(kept["routes"]["things"]) <= KEPT["routes"] and usual_marks <= set(kept["agents"]["things"])
    assert os.path.getsize(site.state / "access_logs.json") < 250_000


def test_hostile_names_are_told_without_harm_and_not_kept(tmp_path: Path) -> None:
    site = known_site(tmp_path)
    hostile = rows(0, 200, agent="<script>alert(1)</script>", request="GET /\x1b[31m\u202e<b> HTTP/1.1")
    result = site.run(0, usual(0), hostile)
    row = check(result, "access.new")
    assert row["evidence"]["agents"] == [{"agent": "(other)", "requests": 200, "share_percent": 16.667}]
    assert "\x1b" not in json.dumps(row) and "\\x1b" in row["evidence"]["routes"][0]["route"]
    text = (site.state / "access_logs.json").read_text()
    assert "script" not in text and all(len(name) == 16 for name in site.kept()["agents"]["things"])


@pytest.mark.parametrize("jump", [-7000, 1500])
def test_a_clock_that_was_wrong_once_neither_forgets_nor_hides(tmp_path: Path, jump: int) -> None:
    site = known_site(tmp_path)
    site.run(jump, usual(jump), rows(jump, 200, agent="early"))
    result = site.run(0, usual(0), rows(0, 200, agent="zgrab"))
    assert new_of(result)[:2] == ("warning", 1) and "zgrab" in new_of(result)[2]
    for day in range(1, 70):
        result = site.run(day, usual(day))
    assert new_of(result)[:2] == ("ok", 0)
    spans = site.kept()["agents"]["things"]
    assert spans[mark("curl")][1] == DAY + 69, "the later run knows better what day it is"


def test_what_no_day_has_seen_for_long_is_forgotten_and_days_without_a_run_are_none() -> None:
    before = {"agents": Known({DAY}, {"a" * 16: Span(DAY, DAY), "b" * 16: Span(DAY, DAY)})}
    known = add_seen(before, {"agents": Known({DAY + 3000}, {"b" * 16: Span(DAY + 3000, DAY + 3000)})})
    assert set(known["agents"].things) == {"a" * 16, "b" * 16}, "a host that was off for long forgets nothing"
    for day in range(1, MAX_DAYS):
        known = add_seen(known, {"agents": Known({DAY + 3000 + day}, {"b" * 16: Span(DAY + 3000 + day, DAY + 3000 + day)})})
        assert ("a" * 16 in known["agents"].things) == (day < MAX_DAYS - 1)
    assert known["agents"].things == {"b" * 16: Span(DAY, DAY + 3000 + MAX_DAYS - 1)}
    assert len(known["agents"].days) == MAX_DAYS


def test_what_the_oldest_day_has_seen_and_what_was_seen_in_parts_of_a_log_stays() -> None:
    parts = {"agents": Known(set(), {"a" * 16: Span(DAY - 1, DAY - 1)})}
    known = add_seen(parts, {"agents": Known({DAY}, {"b" * 16: Span(DAY, DAY)})})
    assert set(known["agents"].things) == {"a" * 16, "b" * 16}
    for day in range(1, MAX_DAYS):
        known = add_seen(known, {"agents": Known({DAY + day})})
    assert set(known["agents"].things) == {"b" * 16}


def test_of_too_many_things_those_stay_that_were_there_for_long() -> None:
    old = {f"{number:016x}": Span(DAY - 40, DAY - 10) for number in range(200)}
    flood = {f"f{number:015x}": Span(DAY, DAY) for number in range(1000)}
    known = add_seen({"countries": Known({DAY - 10}, old)}, {"countries": Known({DAY}, flood)})
    assert len(known["countries"].things) == KEPT["countries"] and set(old) < set(known["countries"].things)


def test_to_add_again_changes_nothing() -> None:
    chance = random.Random(7)
    seen = {}
    for day in range(80):
        now = {"routes": Known({day + 1}, {f"{chance.randrange(4000):016x}": Span(day + 1, day + 1) for _number in range(300)})}
        seen = add_seen(seen, now)
        assert add_seen(seen, now) == seen and add_seen(seen, {}) == seen
    assert len(seen["routes"].things) == KEPT["routes"]
    assert read_seen(json.loads(json.dumps(seen_record(seen)))) == seen


def test_what_was_kept_and_makes_no_sense_is_left_out() -> None:
    good = "0123456789abcdef"
    record = {
        "agents": {
            "days": [5, "5", True, -1, 0, 10**9, float("inf"), None, [5]],
            "things": {
                good: [5, 6], "0" * 15: [5, 6], "G" * 16: [5, 6], "1" * 16: [6, 5], "2" * 16: [5], "3" * 16: "56", "4" * 16: [5, True],
                "5" * 16: [5.0, 6], "6" * 16: [0, 6], "7" * 16: [5, float("inf")], "8" * 16: None, "9" * 16: [5, 10**9], "\u00b2" * 16: [5, 6],
            },
        },
        "routes": [1], "countries": {"days": {"5": 1}, "things": [[5, 6]]}, "other": {"days": [1], "things": {}},
    }  # fmt: skip
    assert read_seen(record) == {"agents": Known({5}, {good: Span(5, 6)}), "countries": Known()}
    assert read_seen(None) == read_seen([record]) == {}


@pytest.mark.parametrize(
    "kept",
    ['{"agents": {"days": [1e999], "things": {"0123456789abcdef": [1e999, 1]}}}', "1e999", '{"agents": {"days": 1e999, "things": 7}}', "[]", '"x"'],
)
def test_a_file_that_others_wrote_neither_ends_the_run_nor_the_history(tmp_path: Path, kept: str) -> None:
    site = known_site(tmp_path, 1)
    whole = json.loads((site.state / "access_logs.json").read_text())
    whole["groups"][str(site.log)]["seen"] = "HERE"
    (site.state / "access_logs.json").write_text(json.dumps(whole).replace('"HERE"', kept))
    result = site.run(0, usual(0))
    assert check(result, "history.integrity")["status"] == "ok"
    assert site.kept()["agents"]["days"] == [DAY]


def test_a_history_without_it_is_one_that_begins(tmp_path: Path) -> None:
    """As an older version has left it."""
    site = known_site(tmp_path, 8)
    whole = json.loads((site.state / "access_logs.json").read_text())
    del whole["groups"][str(site.log)]["seen"]
    (site.state / "access_logs.json").write_text(json.dumps(whole))
    assert new_of(site.run(0, usual(0), rows(0, 200, agent="zgrab")))[:2] == ("ok", None)
    assert new_of(site.run(1, rows(1, 500)))[1] is None


def test_what_a_format_does_not_tell_has_no_row(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(f"{NOW.timestamp() - 60:.3f} 200\n" * 200)
    result = inspect(paths=[str(tmp_path / "a.log")], format="$msec $status")
    assert not {row["check"] for row in result["checks"]} & {"access.new", "access.logins"}
