"""A day on which logs, traffic and security have something to say: one run finds each thing by its own check, and nothing else.

It comes last: what was asked of the web server stays in its access log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from breaking import SITE
from containers import Container
from upkeep_run import FAILED, Run, run_module, run_playbook

APP = "nsfx-app-1"
LOG = "/opt/neurosensefx/logs/backend.log"
TAMPERED = "/opt/neurosensefx/dist/ticks.js"
MAINTENANCE = "/var/www/maintenance/enabled"
BLOCK = {"address": "203.0.113.66", "reason": "INC-1: <b>scans</b>"}
#: Few requests and logins are enough here: only the last half hour counts, and somebody who mistypes five times.
VARIABLES = {"traffic_since_hours": 0.5, "traffic_limited_critical_percent": 10.0, "security_audit_logins_warning_per_address": 5}

#: (check, subject, status) and what the summary must say. The failed logins are those of an address that only the network knows.
FOUND = {
    ("log.errors", "tick-backend", "critical"): "3000 error lines",
    ("log.new_signatures", "tick-backend", "warning"): "1 kind",
    ("access.error_rate", SITE, "critical"): "failed with 5xx",
    ("access.error_burn", SITE, "critical"): "times as often as an objective of 99.5 % allows",
    ("access.rate_limited", SITE, "critical"): "answers with 429",
    ("access.bursts", SITE, "warning"): "burst",
    ("port.unexpected", "tcp 0.0.0.0:4444", "critical"): "nc",
    ("process.interpreter_socket", "/usr/bin/nc.openbsd (root)", "warning"): "4444",
    ("integrity.files", TAMPERED, "critical"): "was changed",
}


@dataclass(frozen=True)
class Day:
    run: Run
    page: str
    attacker: str


@contextmanager
def backdoor(app: Container) -> Iterator[None]:
    """Let a program listen that nobody accepted."""
    app.sh("systemd-run --quiet --collect --unit=backdoor nc -lk 4444")
    app.wait_for("ss -Hltn 'sport = 4444' | grep --quiet .")
    try:
        yield
    finally:
        app.sh("systemctl stop backdoor")


@contextmanager
def tampered(app: Container) -> Iterator[None]:
    """Let a file of the application be another one."""
    app.sh(f"cp -p {TAMPERED} /opt/kept && echo '// not ours' >> {TAMPERED}")
    try:
        yield
    finally:
        app.sh(f"cp -p /opt/kept {TAMPERED} && rm /opt/kept")


@contextmanager
def blocked(app: Container) -> Iterator[None]:
    """Block somebody for a while; that is no problem, and is told."""
    assert run_module(APP, "ip_block", BLOCK)["changed"]
    try:
        yield
    finally:
        run_module(APP, "ip_block", {"state": "absent", "all": True})


def load(app: Container, path: str, requests: int) -> None:
    """Make so many requests, as fast as four clients can."""
    app.sh(f"ab -q -k -n {requests} -c 4 https://{SITE}{path} >/dev/null 2>&1")


@pytest.fixture(scope="module")
def day(app: Container, second: Container, tmp_path_factory: pytest.TempPathFactory) -> Day:
    reports = tmp_path_factory.mktemp("reports")
    app.sh(f"seq --format=\"$(date -u +%FT%TZ) ERROR order %.0f was not stored: no quota\" 3000 >> {LOG}")
    load(app, "/health", 1500)  # the limit of nginx refuses most of them
    app.sh(f"touch {MAINTENANCE}")
    try:
        load(app, "/", 800)
    finally:
        app.sh(f"rm {MAINTENANCE}")
    strangers = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null mallory@upkeep-nsfx-app-1"
    second.sh(f"for attempt in 1 2 3 4 5 6; do {strangers} 2>/dev/null || true; done")
    attacker = second.sh("hostname -I").split()[0]
    with backdoor(app), tampered(app), blocked(app):
        run = run_playbook("daily", reports, "-e", json.dumps(VARIABLES))
    (page,) = reports.glob("runs/*/report.html")
    return Day(run, page.read_text(encoding="utf-8"), attacker)


def test_each_thing_is_found_and_nothing_else(day: Day) -> None:
    expected = {(APP, *problem) for problem in FOUND} | {(APP, "auth.failures", day.attacker, "warning")}
    assert (day.run.problems(), day.run.health, day.run.status) == (expected, "UNHEALTHY", FAILED), day.run.output


@pytest.mark.parametrize("problem", FOUND, ids="{0[0]}".format)
def test_each_thing_is_said_in_words(day: Day, problem: tuple[str, str, str]) -> None:
    assert FOUND[problem] in day.run.summary(*problem[:2])


def test_who_is_blocked_is_told_and_is_no_problem(day: Day) -> None:
    assert "1 addresses and networks are blocked" in day.run.summary("firewall.blocked", "upkeep_block")
    assert BLOCK["address"] in day.page
    assert BLOCK["reason"] not in day.page
    assert "INC-1: &lt;b&gt;scans&lt;/b&gt;" in day.page


def test_the_page_shows_the_figures(day: Day) -> None:
    for title in ("Traffic", "Busiest routes", "Failed logins", "Blocked addresses", "Baselines"):
        assert f"<h4>{title}</h4>" in day.page
    assert f"<bdi>{day.attacker}</bdi>" in day.page
    assert "<bdi>GET /health</bdi>" in day.page


def test_mended_platform_is_healthy(daily: Callable[..., Run], day: Day) -> None:
    """Errors are not counted again, what was put back is as it was accepted, and six failed logins are below the usual threshold."""
    run = daily("--tags", "log_review,security")
    assert (run.problems(), run.health, run.status) == (set(), "HEALTHY", 0), run.output
