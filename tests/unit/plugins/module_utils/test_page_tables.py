"""The tables of a host on the page: which figures they show, and that a result of any form costs nothing else."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.page_tables import host_tables

ENDED = datetime(2026, 11, 28, 6, 0, tzinfo=timezone.utc)
LATENCY = {"p50": 0.012, "p95": 0.42, "p99": 1.7}
GROUP = {
    "name": "www",
    "totals": {"requests": 81_243, "requests_per_second": 0.94},
    "error_percent": 0.3,
    "latency": LATENCY,
    "rate_limited": {"responses": 17},
    "cache": {"hit_percent": 63.5},
    "routes": [{"route": "GET /x", "requests": 4711, "error_percent": 1.2, **LATENCY}],
}
#: What a group tells of logins, and of what is new.
CALLERS = {
    "name": "www",
    "logins": {
        "requests": 1200, "refused": 900, "refused_percent": 75.0, "succeeded": 290, "different_clients": 311,
        "clients": [{"client": "203.0.113.9", "refused": 412}, {"client": "2001:db8::7", "refused": 3}],
    },
    "new": {
        "agents": {"newest": [{"agent": "python-requests", "requests": 4100, "share_percent": 5.046}]},
        "countries": {"newest": [{"country": "BR", "requests": 990, "share_percent": 1.2}]},
        "routes": {"newest": [{"route": "GET /export", "requests": 120, "share_percent": 0.15}]},
    },
}  # fmt: skip
PARTS = {
    "logins": {
        "addresses": [
            {"address": "203.0.113.9", "failures": 412, "accepted": 1, "users": ["root", "admin"], "last": "2026-11-28T02:10:00Z"},
            {"address": "198.51.100.1", "failures": 0, "accepted": 3, "users": ["ops"], "last": "2026-11-28T02:10:00Z"},
        ],
        "totals": {"failures": 430},
    },
    "blocks": {
        "blocked": [{"address": "203.0.113.9", "by": "ip_block", "reason": "scans", "expires": None}],
        "totals": {"blocked": 1, "banned": None, "dropped_packets": 99},
    },
    "ports": {"baseline": {"accepted": "2026-11-18T18:00:00Z", "reason": "Release 2.4.1"}},
    "files": {"baseline": None},
}


DATABASE = {
    "name": "postgresql shop",
    "figures": {"per_second": 41.5, "cache_hit_percent": 99.2, "connections": 12, "longest_query_seconds": 0.4, "deadlocks": 0},
}


def shown(results: dict[str, Any]) -> dict[str, list[list[str]]]:
    """Return the rows by the title of their table; each row has a text for each column."""
    tables = host_tables(results, ENDED)
    for table in tables:
        assert {len(row) for row in table["rows"]} == {len(table["columns"])}
        assert all(isinstance(text, str) for row in table["rows"] for text in row)
    return {table["title"]: table["rows"] for table in tables}


def test_the_figures_of_a_day() -> None:
    assert shown({"traffic": {"groups": [GROUP]}, "security_audit": {"parts": PARTS}}) == {
        "Traffic": [["www", "81243", "0.94 / s", "0.3 %", "12 ms", "420 ms", "1.7 s", "17", "63.5 %"]],
        "Busiest routes": [["GET /x", "4711", "1.2 %", "12 ms", "420 ms", "1.7 s"]],
        "Failed logins": [["203.0.113.9", "412", "1", "root, admin", "2026-11-28T02:10:00Z"]],
        "Blocked addresses": [["203.0.113.9", "ip_block", "scans", "no end"]],
        "Baselines": [["Ports", "9.5 days", "2026-11-18T18:00:00Z", "Release 2.4.1"]],
    }


def test_the_figures_of_databases_that_tell_any() -> None:
    told = [DATABASE, {"name": "redis", "figures": {"per_second": 7, "memory_bytes": 2048}}, {"name": "sqlite /x", "note": "x"}, {"name": "y", "figures": {}}]
    assert shown({"databases": {"databases": told}}) == {
        "Databases": [
            ["postgresql shop", "41.5 / s", "99.2 %", "12", "400 ms", "0", "", ""],
            ["redis", "7 / s", "", "", "", "", "", "2 KiB"],
        ],
    }


def test_who_logs_in_and_what_is_new_at_a_site() -> None:
    quiet = {"name": "api", "logins": {"requests": 0, "refused": 0}, "new": {"agents": {"newest": []}}}
    found = shown({"traffic": {"groups": [CALLERS, quiet]}})
    assert {title: found[title] for title in ("Logins at sites", "New at sites")} == {
        "Logins at sites": [["www", "1200", "900", "75 %", "290", "311", "203.0.113.9, 2001:db8::7"]],
        "New at sites": [
            ["www", "Agent", "python-requests", "4100", "5.05 %"], ["www", "Country", "BR", "990", "1.2 %"], ["www", "Route", "GET /export", "120", "0.15 %"],
        ],
    }  # fmt: skip


def test_what_a_format_does_not_tell_has_no_figure() -> None:
    rows = shown({"traffic": {"groups": [{"name": "www", "totals": {"requests": 3}, "cache": {"hit_percent": None}}]}})
    assert rows == {"Traffic": [["www", "3", "", "", "", "", "", "", ""]]}


def test_long_lists_are_cut_and_say_so() -> None:
    many = [{"address": f"192.0.2.{number}", "by": "fail2ban", "reason": "r", "expires": "soon"} for number in range(200)]
    blocks = {"blocked": many, "totals": {"blocked": 0, "banned": 200}}
    (table,) = host_tables({"security_audit": {"parts": {"blocks": blocks}}}, ENDED)
    assert (len(table["rows"]), table["caption"]) == (20, "Addresses that the host blocks, 20 of 200")


NONSENSE: list[Any] = [None, "x", 7, [], {}, [None, 7, "x"], {"a": 1}, True, 10**400, float("nan"), float("inf"), ["x" * 10_000], -1]


@pytest.mark.parametrize("damage", NONSENSE, ids=lambda value: repr(value)[:20])
def test_a_result_of_any_form_costs_nothing_else(damage: Any) -> None:
    shown({"traffic": damage, "security_audit": damage})
    shown({"traffic": {"groups": damage}, "security_audit": {"parts": damage}})
    shown({"traffic": {"groups": [damage]}, "security_audit": {"parts": dict.fromkeys(PARTS, damage)}})
    group: dict[str, Any] = dict.fromkeys((*GROUP, *CALLERS), damage)
    parts: dict[str, Any] = {name: dict.fromkeys(("addresses", "totals", "blocked", "baseline"), damage) for name in PARTS}
    shown({"traffic": {"groups": [group]}, "security_audit": {"parts": parts}})
    row = dict.fromkeys(("address", "failures", "users", "by", "reason", "expires", "accepted", "route", "requests"), damage)
    rows = {name: {"addresses": [row], "blocked": [row], "baseline": row, "totals": row} for name in PARTS}
    shown({"traffic": {"groups": [{**GROUP, "routes": [row]}]}, "security_audit": {"parts": rows}})
    logins = {**CALLERS["logins"], "clients": [row, damage], "refused": damage}  # type: ignore[dict-item]
    for new in (damage, dict.fromkeys(CALLERS["new"], damage), dict.fromkeys(CALLERS["new"], {"newest": [damage, row]})):
        shown({"traffic": {"groups": [{**CALLERS, "logins": logins, "new": new}]}})
    assert shown({"traffic": {"groups": [GROUP, damage]}})["Traffic"][0][0] == "www"
    for found in (damage, {"databases": damage}, {"databases": [damage]}, {"databases": [{"name": damage, "figures": damage}]}):
        shown({"databases": found})
    shown({"databases": {"databases": [{"name": damage, "figures": dict.fromkeys(("per_second", "connections", "memory_bytes"), damage)}]}})


def test_text_of_a_stranger_is_one_printable_line() -> None:
    route = {**GROUP["routes"][0], "route": "GET /\x1b[31m\u202e\n<b>" + "W" * 500}  # type: ignore[index]
    ((text, *_rest),) = shown({"traffic": {"groups": [{**GROUP, "routes": [route]}]}})["Busiest routes"]
    assert text.isprintable() and len(text) <= 200
