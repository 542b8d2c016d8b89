"""Whole logs on disk: what is counted, judged and remembered."""

from __future__ import annotations

import bz2
import glob
import gzip
import json
import lzma
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs import files
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import (
    EXTENDED,
    NOW,
    check,
    extended,
    inspect,
    line,
)


def write(path: Path, *lines: str) -> str:
    path.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    return str(path)


def minutes_ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def test_figures_are_those_of_counting_by_hand(tmp_path: Path) -> None:
    lines = [
        extended(
            minutes_ago(30 - number / 10),
            client=f"192.0.2.{number % 3}",
            took=f"0.{number:03d}",
            size=10,
            cache="HIT" if number % 4 else "MISS",
        )
        for number in range(100)
    ]
    lines += [extended(minutes_ago(10), status=500, request="GET /broken/7 HTTP/1.1", took="1.000", size=0)]
    lines += [extended(minutes_ago(9), status=101, request="GET /ws HTTP/1.1", took="3600.000")]
    lines += [extended(minutes_ago(8), status=429, client="2001:db8::5", took="0.000")]
    lines += [extended(minutes_ago(60 * 25)), extended(NOW + timedelta(minutes=5))]
    result = inspect(paths=[write(tmp_path / "a.log", *lines)], format=EXTENDED, min_sample=1)
    totals, latency = result["totals"], result["latency"]
    assert (totals["requests"], totals["outside_window"], totals["clients"], totals["upgrades"]) == (103, 2, 5, 1)
    assert totals["bytes"] == 1000 + 512 * 2
    assert (totals["first"], totals["last"]) == ("2026-11-28T11:30:00Z", "2026-11-28T11:52:00Z")
    assert totals["peak_requests_per_minute"] == 10
    assert result["status_classes"] == {"1xx": 1, "2xx": 100, "3xx": 0, "4xx": 1, "5xx": 1}
    assert (latency["requests"], latency["p50"], latency["max"]) == (102, 0.049, pytest.approx(1.0, rel=0.011))
    assert result["cache"] == {"requests": 100, "hit_percent": 75.0, "never_kept": 0, "statuses": {"HIT": 75, "MISS": 25, "-": 3}}
    assert result["rate_limited"]["clients"] == [{"client": "2001:db8::5", "responses": 1}]
    assert result["top_clients"][0] == {"client": "192.0.2.0", "requests": 34, "share_percent": 33.01}
    detail = result["groups"][0]
    assert [row["route"] for row in detail["routes"]] == ["GET /", "GET /broken/:number", "GET /ws"]
    assert detail["failing_routes"][0]["error_percent"] == 100.0
    assert detail["upstream_latency"]["p50"] == 0.009
    row = check(result, "access.error_rate")
    assert (row["status"], row["value"], row["unit"]) == ("ok", 0.971, "percent")


def test_each_threshold_has_its_check(tmp_path: Path) -> None:
    lines = [
        extended(
            minutes_ago(60 - number / 10),
            status=503 if number < 10 else 429 if number < 40 else 200,
            took="3.000",
            cache="MISS",
        )
        for number in range(100)
    ]
    lines += ["rubbish\n"] * 5
    result = inspect(
        paths=[write(tmp_path / "a.log", *lines)],
        format=EXTENDED,
        groups=[],
        cache_warning_percent=50.0,
        cache_critical_percent=10.0,
    )
    statuses = {row["check"]: (row["status"], row["value"]) for row in result["checks"]}
    assert statuses == {
        "access.format": ("warning", 4.762),
        "access.requests": ("ok", 100),
        "access.error_rate": ("critical", 10.0),
        "access.latency": ("warning", pytest.approx(3.0, rel=0.011)),
        "access.rate_limited": ("critical", 30.0),
        "access.bursts": ("ok", 0.0),
        "access.scanners": ("ok", 0),
        "access.cache": ("critical", 0.0),
        "access.logins": ("ok", None),
        "access.pattern": ("ok", None),
        "access.new": ("ok", None),
    }
    assert result["status"] == "critical"
    assert "10 % of 100 requests" in check(result, "access.error_rate")["summary"]
    off = {name: 0 for name in ("error_warning_percent", "error_critical_percent")}
    assert check(inspect(paths=[str(tmp_path / "a.log")], format=EXTENDED, **off), "access.error_rate")["status"] == "ok"


def test_few_requests_are_told_and_not_judged(tmp_path: Path) -> None:
    result = inspect(paths=[write(tmp_path / "a.log", *[line(status=500)] * 99)])
    row = check(result, "access.error_rate")
    assert (row["status"], row["value"]) == ("ok", 100.0)
    assert "too few to judge" in row["summary"]
    assert inspect(paths=[str(tmp_path / "a.log")], min_sample=99)["status"] == "critical"


def test_another_format_is_unknown_and_shows_the_first_line(tmp_path: Path) -> None:
    result = inspect(paths=[write(tmp_path / "a.log", *[extended()] * 10)], return_all=True)
    row = check(result, "access.format")
    assert row["status"] == "unknown"
    assert "none of 10 lines has the format 'combined'; the first is: 192.0.2.7 - - [" in row["summary"]
    assert row["evidence"]["first_line"].endswith('0.010 0.009 - "-"')
    assert {row["status"] for row in result["checks"]} == {"unknown"}
    assert len(result["checks"]) == 6


def test_silence_is_unknown_unless_it_is_accepted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", line(minutes_ago(60 * 30)))
    result = inspect(paths=[path])
    assert check(result, "access.requests")["status"] == "unknown"
    assert check(result, "access.error_rate")["status"] == "unknown"
    accepted = inspect(paths=[path], min_requests=0)
    assert {row["status"] for row in accepted["checks"]} == {"ok"}
    assert inspect(paths=[write(tmp_path / "a.log", line())], min_requests=2)["status"] == "unknown"


def test_rotated_and_packed_files_are_read_and_older_ones_are_not(tmp_path: Path) -> None:
    write(tmp_path / "access.log", line(minutes_ago(1)))
    write(tmp_path / "access.log.1", line(minutes_ago(100)), line(minutes_ago(90)))
    packed = gzip.compress(line(minutes_ago(300)).encode()) + gzip.compress(line(minutes_ago(200)).encode()) + b"\0" * 20
    (tmp_path / "access.log.2.gz").write_bytes(packed)
    os.utime(tmp_path / "access.log.2.gz", (NOW.timestamp(), NOW.timestamp()))
    old = write(tmp_path / "access.log.3", line(minutes_ago(60)))
    os.utime(old, (0, NOW.timestamp() - 26 * 3600))
    os.link(tmp_path / "access.log", tmp_path / "access.log.again")
    write(tmp_path / "access.log-20261128T110000Z-1a2b3c4d.gz.new", "half a packed file\n")
    write(tmp_path / "access.log-20261128T110000Z-1a2b3c4d", line(minutes_ago(70)))
    result = inspect(paths=[str(tmp_path / "access.log*"), str(tmp_path / "access.log")])
    assert (result["totals"]["requests"], result["unparsed_lines"]) == (6, 0)
    assert result["groups"][0]["files"] == {"read": 4, "older": 1, "not_read_whole": 0}


def test_every_packing_is_read_by_what_a_file_holds(tmp_path: Path) -> None:
    content = "".join(line(client=f"192.0.2.{number % 200}") for number in range(5000)).encode()
    (tmp_path / "a.log.xz").write_bytes(lzma.compress(content))
    (tmp_path / "b.log.bz2").write_bytes(bz2.compress(content) + bz2.compress(line().encode()))
    (tmp_path / "c.log-packed").write_bytes(gzip.compress(content))
    subprocess.run(["zstd", "-q", "-o", str(tmp_path / "d.log.zst")], input=content, check=True)
    result = inspect(paths=[f"{tmp_path}/*"])
    assert (result["totals"]["requests"], result["unparsed_lines"]) == (20_001, 0)
    assert not [row for row in result["checks"] if row["check"] == "access.readable"]


def test_a_file_that_is_being_packed_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "access.log.1", line(), line())
    (tmp_path / "access.log.1.gz").write_bytes(gzip.compress(line().encode())[:-5])
    result = inspect(paths=[f"{tmp_path}/access.log*"])
    assert result["totals"]["requests"] == 2 and not [row for row in result["checks"] if row["check"] == "access.readable"]


def test_a_rotation_while_the_files_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that were listed before it mean other files behind it, and one that is new was not listed."""
    write(tmp_path / "access.log", line(), line())
    write(tmp_path / "access.log.1", line())
    listed: list[str] = []
    real = glob.iglob

    def meanwhile(pattern: str) -> Iterator[str]:
        found = list(real(pattern))
        listed.append(pattern)
        if len(listed) == 2:
            os.rename(tmp_path / "access.log.1", tmp_path / "access.log.2")
            os.rename(tmp_path / "access.log", tmp_path / "access.log.1")
            write(tmp_path / "access.log", line())
        return iter(found)

    monkeypatch.setattr(files.glob, "iglob", meanwhile)
    result = inspect(paths=[f"{tmp_path}/access.log*"])
    assert result["totals"]["requests"] == 4 and not [row for row in result["checks"] if row["check"] == "access.readable"]


def test_what_cannot_be_read_is_unknown_and_the_rest_is_counted(tmp_path: Path) -> None:
    write(tmp_path / "a.log", line())
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "folder.log").mkdir()
    (tmp_path / "cut.log.gz").write_bytes(gzip.compress(b"".join(line().encode() for _number in range(5000)))[:-50])
    (tmp_path / "bad.log.gz").write_bytes(b"no gzip at all")
    (tmp_path / "odd.log.gz").write_bytes(b"\x1f\x8b no gzip at all")
    (tmp_path / "b.log.lz4").write_bytes(b"\x04\x22\x4d\x18")
    (tmp_path / "b.log.bz2").write_bytes(bz2.compress(line().encode())[:-5])
    result = inspect(paths=[str(tmp_path / "*"), str(tmp_path / "missing.log"), str(tmp_path / "none-*")])
    reasons = {
        Path(row["subject"]).name: row["summary"].split(" ", 1)[1]
        for row in result["checks"]
        if row["check"] == "access.readable"
    }
    assert reasons == {
        "pipe.log": "is a pipe, not a log.",
        "cut.log.gz": "is cut off: its end is missing.",
        "bad.log.gz": "is damaged: it does not begin as its name says.",
        "odd.log.gz": "is damaged: it cannot be unpacked to its end.",
        "b.log.lz4": "is an LZ4 stream, which is not read here; pack it with gzip.",
        "b.log.bz2": "is cut off: its bzip2 stream ends before its end marker.",
        "missing.log": "does not exist.",
        "none-*": "matches no file.",
    }
    assert result["status"] == "unknown"
    assert 1 < result["totals"]["requests"] <= 5001


def test_a_link_of_somebody_else_is_not_followed(tmp_path: Path, root: None) -> None:
    secret = write(tmp_path / "secret", "root:x:hash\n")
    (tmp_path / "a.log").symlink_to(secret)
    assert check(inspect(paths=[str(tmp_path / "a.log")]), "access.format")["status"] == "unknown"
    os.lchown(tmp_path / "a.log", 65534, 65534)
    result = inspect(paths=[str(tmp_path / "a.log")])
    assert "a link of somebody else" in check(result, "access.readable")["summary"]
    assert "root:x" not in json.dumps(result)


def test_hostile_lines_are_counted_and_shown_without_harm(tmp_path: Path) -> None:
    agent = "\x1b[31m<script>alert(1)</script>\udcff\udcfe"
    lines = [
        line(agent=agent),
        line(client="2001:db8::1"),
        "\0" * 100 + "\n",
        "x" * (10 << 20) + "\n",
        "\n",
        line(request="\\x16\\x03"),
    ]
    lines += [line(status="999"), line(status="20"), line(size="-"), line().replace("28/Nov/2026", "99/Nov/2026")]
    result = inspect(paths=[write(tmp_path / "a.log", *lines)], unparsed_critical_percent=0)
    assert (result["totals"]["requests"], result["unparsed_lines"]) == (5, 5)
    shown = {row["agent"] for row in result["groups"][0]["top_agents"]}
    assert shown == {"\\x1b[31m<script>alert(1)</script>\\xff\\xfe", "curl/8.5.0"}
    assert check(result, "access.format")["status"] == "warning"


def test_the_clock_may_jump(tmp_path: Path) -> None:
    lines = [line(minutes_ago(50)), line(minutes_ago(10)), line(minutes_ago(40)), line(minutes_ago(39))]
    assert inspect(paths=[write(tmp_path / "a.log", *lines)])["totals"]["steps_back"] == 1
    odd = [line(minutes_ago(50), agent='a \\"b\\" c'), line(minutes_ago(40)), line(minutes_ago(30))]
    assert inspect(paths=[write(tmp_path / "a.log", *odd)])["totals"] == {
        **inspect(paths=[str(tmp_path / "a.log")])["totals"],
        "requests": 3,
        "steps_back": 0,
    }


def test_times_count_by_their_offset(tmp_path: Path) -> None:
    berlin = timezone(timedelta(hours=2))
    lines = [
        line(minutes_ago(10).astimezone(berlin)),
        line(minutes_ago(9)),
        line((NOW - timedelta(hours=25)).astimezone(berlin)),
    ]
    assert inspect(paths=[write(tmp_path / "a.log", *lines)])["totals"]["requests"] == 2
    exact = inspect(paths=[str(tmp_path / "a.log")], since="2026-11-28T13:51:00+02:00", until="2026-11-28T11:51:01Z")
    assert exact["totals"]["requests"] == 1


def test_health_checks_do_not_count(tmp_path: Path) -> None:
    lines = [line(request="GET /health HTTP/1.1", status=500)] * 50 + [line(agent="kube-probe/1.29")] * 20 + [line()] * 10
    path = write(tmp_path / "a.log", *lines)
    result = inspect(paths=[path], exclude_routes=["/health"], exclude_agents=["kube-probe/*"], min_sample=1)
    assert (result["totals"]["requests"], result["totals"]["excluded"], result["status"]) == (10, 70, "ok")


def test_the_client_is_whom_a_trusted_proxy_names(tmp_path: Path) -> None:
    lines = [
        extended(client="10.0.0.1", forwarded="203.0.113.9, 198.51.100.2"),
        extended(client="203.0.113.1", forwarded="1.2.3.4"),
    ]
    path = write(tmp_path / "a.log", *lines)
    result = inspect(paths=[path], format=EXTENDED, trusted_proxies=["10.0.0.0/8"])
    assert {row["client"] for row in result["top_clients"]} == {"198.51.100.2", "203.0.113.1"}
    assert {row["client"] for row in inspect(paths=[path], format=EXTENDED)["top_clients"]} == {"10.0.0.1", "203.0.113.1"}


def test_lines_of_limits_are_counted_by_zone_and_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime.fromtimestamp(NOW.timestamp() - 600).strftime("%Y/%m/%d %H:%M:%S")
    old = datetime.fromtimestamp(NOW.timestamp() - 90000).strftime("%Y/%m/%d %H:%M:%S")
    rest = 'client: 2001:db8::7, server: _, request: "GET / HTTP/1.1", host: "a"\n'
    errors = [
        f'{at} [error] 12#12: *345 limiting requests, excess: 10.520 by zone "api", {rest}',
        f'{at} [warn] 12#12: *345 delaying request, excess: 0.120, by zone "api", {rest}',
        f'{at} [error] 12#12: *345 limiting connections by zone "addr", {rest}',
        f'{at} [error] 12#12: *345 limiting requests, dry run, excess: 1.000 by zone "new", {rest}',
        f'{old} [error] 12#12: *345 limiting requests, excess: 10.520 by zone "api", {rest}',
        f'{at} [error] 12#12: *9 open() "/x limiting requests by zone "fake", client: 192.0.2.1" failed, {rest}',
        "rubbish\n",
    ]
    result = inspect(paths=[write(tmp_path / "a.log", *[line()] * 100)], error_paths=[write(tmp_path / "error.log", *errors)])
    limited = result["rate_limited"]
    assert {(row["zone"], row["kind"]): row["lines"] for row in limited["zones"]} == {
        ("api", "rejected"): 1, ("api", "delayed"): 1, ("addr", "connections_rejected"): 1, ("new", "dry_run"): 1,
    }  # fmt: skip
    assert (limited["rejected_lines"], limited["dry_run_lines"], limited["percent"]) == (2, 1, 2.0)
    assert limited["zone_clients"][0] == {"zone": "api", "client": "2001:db8::7", "lines": 2}


def test_a_burst_of_one_client_and_one_of_many_stand_out(tmp_path: Path) -> None:
    lines = []
    for minute in range(180, 0, -1):
        number = 900 if minute in (100, 99) else 20
        lines += [
            line(minutes_ago(minute) + timedelta(seconds=second % 60), client=f"192.0.2.{second % 5}")
            for second in range(number)
        ]
        if minute == 40:
            lines += [line(minutes_ago(minute), client=f"10.{second // 250}.0.{second % 250}") for second in range(500)]
    result = inspect(paths=[write(tmp_path / "a.log", *lines)], return_all=True)
    found = {(burst["kind"], burst["begin"][11:16]): burst for burst in result["bursts"]}
    assert set(found) == {("requests", "10:20"), ("requests", "11:20"), ("clients", "11:20")}
    assert (
        found[("requests", "10:20")]["minutes"],
        found[("requests", "10:20")]["peak"],
        found[("requests", "10:20")]["usual"],
    ) == (2, 900, 20)
    assert found[("requests", "10:20")]["clients_at_most"] == 5
    assert found[("clients", "11:20")]["clients_at_most"] == pytest.approx(505, rel=0.8)  # an estimate: half of it too much in one run of a thousand
    assert check(result, "access.bursts")["status"] == "warning"


def test_a_burst_stands_out_in_the_minute_that_is_not_over_yet(tmp_path: Path) -> None:
    lines = [text for minute in range(30, 0, -1) for text in [line(minutes_ago(minute))] * 20]
    lines += [line(NOW)] * 400
    result = inspect(paths=[write(tmp_path / "a.log", *lines)], now=NOW + timedelta(seconds=20))
    assert check(result, "access.bursts")["status"] == "warning"


def test_a_scanner_is_told_from_a_client_with_a_broken_link(tmp_path: Path) -> None:
    lines = [
        line(client="198.51.100.9", request=f"GET /wp-{number}.php?x={number} HTTP/1.1", status=404) for number in range(30)
    ]
    lines += [line(client="192.0.2.1", request="GET /missing.css HTTP/1.1", status=404)] * 200
    lines += [
        line(client="192.0.2.2", request=f"GET /page/{number} HTTP/1.1", status=404 if number < 25 else 200)
        for number in range(100)
    ]
    result = inspect(paths=[write(tmp_path / "a.log", *lines)], scanners_warning=1)
    assert result["groups"][0]["scanners"] == [{"client": "198.51.100.9", "requests": 30, "refused": 30, "paths": 30}]
    row = check(result, "access.scanners")
    assert (row["status"], row["value"]) == ("warning", 1)


def json_line(**fields: Any) -> str:
    return json.dumps({"time": "2026-11-28T11:30:00Z", "status": 200, **fields}) + "\n"


def test_lines_of_json_are_read_by_their_usual_keys_or_by_named_ones(tmp_path: Path) -> None:
    usual = [json_line(remote_addr="192.0.2.1", method="GET", path="/a/5", request_time=0.25, user_agent="é", bytes=7)] * 3
    usual += ["[1, 2]\n", '{"time": 1}\n', "no json\n", "[" * 5000 + "\n", json_line(status=True)]
    result = inspect(paths=[write(tmp_path / "a.log", *usual)], format="json", unparsed_critical_percent=0)
    assert (result["totals"]["requests"], result["totals"]["bytes"], result["unparsed_lines"]) == (3, 21, 5)
    assert result["routes"][0]["route"] == "GET /a/:number"
    assert result["latency"]["p50"] == pytest.approx(0.25, rel=0.011)
    assert result["groups"][0]["first_unparsed"] == "[1, 2]"
    nested = [
        json.dumps(
            {
                "ts": NOW.timestamp() - 60.5,
                "status": 404,
                "request": {"remote_ip": "::1", "uri": "/x", "headers": {"User-Agent": ["a"]}},
            }
        )
        + "\n"
    ]
    keys = {"client": "request.remote_ip", "path": "request.uri", "agent": "request.headers.User-Agent"}
    found = inspect(paths=[write(tmp_path / "b.log", *nested)], format="json", fields=keys)
    assert (found["top_clients"][0]["client"], found["groups"][0]["top_agents"][0]["agent"], found["routes"][0]["route"]) == (
        "::1",
        "a",
        "ANY /x",
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"paths": []}, "no log is named"),
        ({"paths": ["a.log"]}, "paths: 'a.log' is not accepted"),
        ({"groups": [{"paths": ["/a/../b"]}]}, "groups[0].paths: '/a/../b' is not accepted"),
        ({"groups": [{"paths": []}]}, "groups[0].paths is empty"),
        ({"groups": [{"paths": ["/a"]}, {"paths": ["/a", "/b"]}]}, "groups[1].name: '/a' is the name of an earlier group"),
        ({"paths": ["/a"], "since_hours": 0}, "since_hours: 0 is not accepted"),
        ({"paths": ["/a"], "since_hours": 745}, "since_hours: 745 is not accepted"),
        ({"paths": ["/a"], "since": "yesterday"}, "since: 'yesterday' is not accepted"),
        ({"paths": ["/a"], "since": "2026-11-28T12:00:00"}, "since: '2026-11-28T12:00:00' is not accepted"),
        ({"paths": ["/a"], "since": "2026-11-28T13:00:00Z"}, "since and until"),
        (
            {"paths": ["/a"], "error_warning_percent": 6},
            "error_warning_percent is 6, which is worse than error_critical_percent, 5",
        ),
        (
            {"paths": ["/a"], "cache_warning_percent": 5, "cache_critical_percent": 9},
            "cache_warning_percent is 5, which is worse",
        ),
        ({"paths": ["/a"], "error_warning_percent": 101}, "error_warning_percent: 101 is not accepted"),
        ({"groups": [{"paths": ["/a"], "min_requests": -1}]}, "groups[0].min_requests: -1 is not accepted"),
        ({"paths": ["/a"], "fields": {"client": "ip"}}, "fields is only for format json"),
        ({"paths": ["/a"], "format": "json", "fields": {"clinet": "ip"}}, "fields.clinet is not known"),
        ({"paths": ["/a"], "top": 0}, "top: 0 is not accepted"),
        ({"paths": ["/a"], "trusted_proxies": ["x"]}, "trusted_proxies: 'x' is no network"),
    ],
)
def test_wrong_options_are_refused_in_words(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        inspect(**given)
    assert message in caught.value.message


def test_groups_are_judged_apart_and_a_group_overrides_an_option(tmp_path: Path) -> None:
    bad, good = write(tmp_path / "bad.log", *[line(status=500)] * 200), write(tmp_path / "good.log", *[line()] * 200)
    groups = [
        {"name": "bad", "paths": [bad]},
        {"name": "good", "paths": [good]},
        {"name": "mild", "paths": [bad], "error_warning_percent": 0, "error_critical_percent": 0},
    ]
    result = inspect(groups=groups)
    assert [(group["name"], group["status"]) for group in result["groups"]] == [
        ("bad", "critical"),
        ("good", "ok"),
        ("mild", "ok"),
    ]
    assert "top_clients" in result["groups"][0] and "top_clients" not in result["groups"][1]
    assert "totals" not in result
    assert check(result, "access.format")["folded"] == 3
    assert all("top_clients" in group for group in inspect(groups=groups, return_all=True)["groups"])


class TestMemory:
    """What earlier runs left."""

    def weeks(self, folder: Path, numbers: dict[int, int], **given: Any) -> dict[str, Any]:
        """Run once a week, with so many requests an hour, and return the last result."""
        result: dict[str, Any] = {}
        for week, number in sorted(numbers.items()):
            now = NOW + timedelta(weeks=week)
            path = folder / "a.log"
            lines = [
                extended(now - timedelta(hours=3) + timedelta(seconds=second * 9000 / number), took="0.100")
                for second in range(number)
            ]
            path.write_text("".join(lines))
            os.utime(path, (now.timestamp(), now.timestamp()))
            result = inspect(
                now, paths=[str(path)], format=EXTENDED, history=True, state_directory=str(folder / "state"), **given
            )
        return result

    def test_without_a_baseline_it_says_so(self, tmp_path: Path) -> None:
        row = check(self.weeks(tmp_path, {0: 500, 1: 500, 2: 5000}), "access.pattern")
        assert (row["status"], row["value"]) == ("ok", None)
        assert "no baseline yet" in row["summary"]

    def test_an_hour_that_differs_from_earlier_weeks_is_a_warning(self, tmp_path: Path) -> None:
        result = self.weeks(tmp_path, {0: 500, 1: 520, 2: 510, 3: 5000})
        row = check(result, "access.pattern")
        assert row["status"] == "warning"
        assert "differ from the same hours of earlier weeks" in row["summary"]
        assert result["groups"][0]["pattern"]["compared"] == 3
        assert result["groups"][0]["usual_p95"] == 0.1
        assert [day["requests"] for day in result["groups"][0]["trend"]] == [500, 520, 510]

    def test_silence_differs_too(self, tmp_path: Path) -> None:
        row = check(self.weeks(tmp_path, {0: 5000, 1: 5200, 2: 5100, 3: 100}), "access.pattern")
        assert row["status"] == "warning"

    def test_an_hour_like_those_before_is_ok(self, tmp_path: Path) -> None:
        row = check(self.weeks(tmp_path, {0: 500, 1: 520, 2: 510, 3: 540}), "access.pattern")
        assert (row["status"], row["value"]) == ("ok", 0.0)

    def test_check_mode_writes_nothing(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.log", line())
        result = inspect(paths=[path], history=True, state_directory=str(tmp_path / "state"), check_mode=True)
        assert check(result, "history.integrity")["status"] == "ok"
        assert not (tmp_path / "state").exists()

    def test_a_damaged_file_is_set_aside(self, tmp_path: Path) -> None:
        path, state = write(tmp_path / "a.log", line()), tmp_path / "state"
        state.mkdir()
        (state / "access_logs.json").write_text('{"groups": 7}')
        asked = {"paths": [path], "history": True, "state_directory": str(state)}
        assert check(inspect(**asked, check_mode=True), "history.integrity")["status"] == "warning"
        assert (state / "access_logs.json").read_text() == '{"groups": 7}'
        assert check(inspect(**asked), "history.integrity")["status"] == "warning"
        assert check(inspect(**asked), "history.integrity")["status"] == "ok"
        assert len(list(state.glob("access_logs.json.corrupt-*"))) == 1

    @pytest.mark.parametrize(
        "wrong", [{"hours": {"\u00b2": 1}}, {"days": {"2026-11-27": {"routes": [1], "p95": 1}}}, {"days": {"x": {"p95": float("nan")}}}]
    )
    def test_whatever_a_file_holds_is_no_crash(self, tmp_path: Path, wrong: dict[str, Any]) -> None:
        path = write(tmp_path / "a.log", line())
        (tmp_path / "access_logs.json").write_text(json.dumps({"groups": {path: wrong}}))
        for _run in range(2):
            result = inspect(paths=[path], history=True, state_directory=str(tmp_path))
            assert result["totals"]["requests"] == 1
        assert check(result, "history.integrity")["status"] == "ok"

    def test_hours_to_come_are_no_silence(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.log", line(NOW - timedelta(hours=3)), line())
        inspect(paths=[path], history=True, state_directory=str(tmp_path), until="2026-11-29T12:00:00Z", since_hours=48.0)
        kept = json.loads((tmp_path / "access_logs.json").read_text())["groups"][path]["hours"]
        assert max(map(int, kept)) == NOW.timestamp() // 3600 - 1

    def test_a_folder_that_is_none_is_unknown(self, tmp_path: Path) -> None:
        (tmp_path / "state").write_text("")
        result = inspect(paths=[write(tmp_path / "a.log", line())], history=True, state_directory=str(tmp_path / "state"))
        assert check(result, "history.integrity")["status"] == "unknown"
        assert check(result, "access.error_rate")["status"] == "ok"
