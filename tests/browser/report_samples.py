"""Records that make every part of the page appear, with and without hostile text."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.filter.render_html import render_html
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.report_page import report_page
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import Run, Selection, build_record
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso, utc_now

TEMPLATE = Path(__file__).parents[2] / "roles" / "report" / "templates" / "report.html.j2"

#: What targets could write into names, log lines and answers.
HOSTILE = [
    "<script>window.owned = true</script>",
    '"><img src="http://127.0.0.1:9/x.png" onerror="window.owned = true">',
    "' onmouseover='window.owned = true' x='",
    "javascript:window.owned=true",
    "</style><style>body { display: none }</style>",
    "</script><script>window.owned = true</script>",
    "<!-- <p> --> </title> &lt;b&gt; &amp;",
    "{{ 7919*7907 }} {% if true %} ${7919*7907} <%= 7919*7907 %>",  # evaluated it would be 62615533
    "abc \u202edcba\u2066 mirrored",
    "\u0000\u001b[31mred \udcff",
    "<svg onload=window.owned=true><a href=//127.0.0.1:9>x</a>",
    "<base href='http://127.0.0.1:9/'><meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "W" * 250,
]


def sample(
    *, hostile: bool = False, ended: datetime | None = None, good: bool = False, stale_after_minutes: float = 60
) -> str:
    """Return a rendered page with two or four hosts."""
    ended = ended or utc_now()
    hosts: dict[str, dict[str, Any]] = {"web-1": _host(ended, good=good), "web-2": _host(ended, good=True)}
    if not good:
        gone = "Failed to connect to the host via ssh: No route to host"
        hosts["database-1"] = {"platform": {"unreachable": True, "msg": gone}}
        hosts["cache-1"] = {
            "platform": {"ping": "pong"},
            "health": {"failed": True, "msg": "it crashed"},
            "resources": {"skipped": True, "false_condition": "x"},
        }
    if hostile:
        for text in HOSTILE:
            hosts[f"h {text}"] = _hostile_host(ended, text)
    record = build_record(
        Run(f"{ended - timedelta(seconds=12):%Y%m%dT%H%M%SZ}-1a2b3c4d", HOSTILE[0] if hostile else "NeuroSense FX", "daily", False, ended),
        hosts,
        promised_roles=["health", "resources", "traffic", "security_audit"],
        selection=Selection(),
    )
    runs = [
        {"run_id": f"r{day}", "playbook": "daily", "status": status, "health": health, "ended": to_iso(ended - timedelta(days=day))}
        for day, (status, health) in enumerate([("ok", "HEALTHY")] * 20 + [("critical", "UNHEALTHY"), ("warning", "DEGRADED")], 1)
    ]
    return render_html(str(TEMPLATE), report_page(record, hosts, runs=runs, stale_after_minutes=stale_after_minutes))


def _points(ended: datetime, values: list[float | None]) -> list[list[Any]]:
    return [[to_iso(ended - timedelta(hours=len(values) - index)), value] for index, value in enumerate(values)]


def _host(ended: datetime, *, good: bool) -> dict[str, Any]:
    wave: list[float | None] = [40 + (index * 7) % 23 for index in range(96)]
    return {
        "platform": {"ping": "pong"},
        "health": {
            "checks": [
                check_result("service.http", "frontend", "ok", "Answered 200 in 12 ms.", value=0.012, unit="s", warning=1, critical=5),
                check_result(
                    "service.http", "tick-backend", "ok" if good else "critical", "Answered 500 instead of 200.",
                    value=0.034, unit="s", warning=1, critical=5, hint=None if good else "Read the journal of tick-backend.service.",
                ),
            ],
            "series": [{"name": "http frontend", "unit": "s", "points": _points(ended, [0.01, 0.02, None, 0.012])}],
            "uptime": {"frontend": {"1d": 100, "7d": 99.98, "30d": None}},
        },
        "resources": {
            "checks": [
                check_result(
                    "disk.space", "/", "ok" if good else "warning", "/ is used to 87 %.", value=87.4, unit="percent", warning=85, critical=95,
                    hint=None if good else "Find what grew.",
                ),
                check_result("memory.usage", "memory", "ok", "Used to 61 %.", value=61, unit="percent", warning=85, critical=95),
                {
                    **check_result("files.handles", "host", "critical", "Nearly all file handles are in use."),
                    "suppressed": {"id": "1", "reason": "known leak", "until": "2026-12-31"},
                },
            ],
            "series": [{"name": "memory.usage", "unit": "percent", "points": _points(ended, wave)}],
            "top_processes": [
                {"name": "node server.js", "pid": 812, "user": "neurosense", "unit": "tick-backend.service", "cpu_percent": 14.2, "rss_bytes": 3e8}
            ],
        },
        "traffic": {
            "checks": [check_result("access.requests", "www.example.com", "ok", "81243 requests.", value=81243, unit="requests")],
            "groups": [_traffic("www.example.com", "GET /items/:number")],
        },
        "security_audit": {
            "checks": [check_result("firewall.blocked", "upkeep_block", "ok", "1 address is blocked.", value=1, unit="addresses")],
            "parts": _parts("203.0.113.9", "root", "300 failed logins", to_iso(ended - timedelta(days=40, hours=12))),
        },
    }


def _traffic(name: str, route: str) -> dict[str, Any]:
    latency = {"p50": 0.012, "p95": 0.42, "p99": 1.7}
    return {
        "name": name,
        "totals": {"requests": 81243, "requests_per_second": 0.94},
        "error_percent": 0.31,
        "latency": latency,
        "rate_limited": {"responses": 17},
        "cache": {"hit_percent": 63.5},
        "routes": [{"route": route, "requests": 4711, "error_percent": 1.2, **latency}],
    }


def _parts(address: str, user: str, reason: str, accepted: str) -> dict[str, Any]:
    """Return what the parts of a security audit leave, with what a stranger may have written."""
    return {
        "logins": {
            "addresses": [{"address": address, "failures": 412, "accepted": 0, "users": [user, "admin"], "last": "2026-11-22T02:10:00Z"}],
            "totals": {"failures": 430},
        },
        "blocks": {
            "blocked": [
                {"address": address, "by": "ip_block", "reason": reason, "expires": None},
                {"address": "192.0.2.8", "by": "fail2ban", "reason": f"jail {user}", "expires": "2026-11-28T21:33:02Z"},
            ],
            "totals": {"blocked": 1, "banned": 1},
        },
        "ports": {"baseline": {"accepted": accepted, "reason": reason}},
        "files": {"baseline": {"accepted": accepted, "reason": reason}},
    }


def _hostile_host(ended: datetime, text: str) -> dict[str, Any]:
    suppressed = {"id": text, "reason": text, "until": text}
    check = check_result("service.http", text, "critical", text, value=1, unit=text, warning=2, hint=text, evidence={text: text})
    return {
        "platform": {"ping": "pong"},
        "health": {
            "checks": [check, {**check, "suppressed": suppressed}, {**check, "value": text, "warning": text}],
            "series": [{"name": f"http {text}", "unit": text, "points": _points(ended, [1, 2, 3])}],
            "uptime": {text: {"1d": 50, text: text}},
            "top_processes": [dict.fromkeys(("name", "pid", "user", "unit"), text)],
        },
        "resources": {"failed": True, "msg": text},
        "traffic": {"checks": [check], "groups": [_traffic(text, text)]},
        "security_audit": {"checks": [check], "parts": _parts(text, text, text, to_iso(ended))},
    }


def long_ago() -> datetime:
    """Return a moment three days back."""
    return datetime.now(timezone.utc) - timedelta(days=3, minutes=1)
