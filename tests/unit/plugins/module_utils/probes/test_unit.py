"""The unit probe: what systemd says, and what it means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.attempts import look_once
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import read_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Previous, Unchecked
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.unit import read_properties


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what puts a systemctl of our own first on the PATH."""

    def install(script: str) -> None:
        program = tmp_path / "systemctl"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return install


def says(load="loaded", active="active", sub="running", result="success", restarts="0") -> str:
    return (
        f"printf '%s\\n' LoadState={load} ActiveState={active} SubState={sub} Result={result} NRestarts={restarts} MainPID=7"
    )


@pytest.mark.parametrize(
    ("script", "options", "status", "said"),
    [
        (says(), {}, "ok", "Unit app.service is active (running)."),
        (says(sub="exited"), {}, "ok", "active (exited)"),
        (says(active="reloading", sub="reload"), {}, "ok", "reloading"),
        (says(active="failed", sub="failed", result="exit-code"), {}, "critical", "failed (failed), result exit-code; active was"),
        (says(active="inactive", sub="dead"), {}, "critical", "is inactive (dead); active was expected"),
        (says(active="inactive", sub="dead"), {"expect_state": ["active", "inactive"]}, "ok", "is inactive (dead)."),
        (says(active="failed", sub="failed"), {"expect_state": ["active", "inactive"]}, "critical", "active or inactive"),
        (says(active="activating", sub="start"), {}, "critical", "activating (start)"),
        (says(active="activating", sub="start"), {"expect_state": ["activating"]}, "ok", "activating (start)"),
        (says(active="activating", sub="auto-restart"), {"expect_state": ["activating"]}, "critical", "auto-restart"),
        (says(load="not-found", active="inactive", sub="dead"), {}, "critical", "Unit app.service does not exist."),
        (says(load="masked", active="inactive", sub="dead"), {}, "critical", "is masked"),
        (says(load="bad-setting"), {}, "critical", "is bad-setting"),
        ("exit 0", {}, "critical", "in a state that systemd does not tell"),
        (says(restarts=""), {}, "ok", "active"),
        ("echo System has not been booted with systemd as init system >&2; exit 1", {}, "unknown", "systemd does not run"),
        ("echo Failed to connect to bus: No such file or directory >&2; exit 1", {}, "unknown", "systemd does not run"),
        ("echo Access denied. >&2; exit 4", {}, "unknown", "systemctl failed: Access denied."),
        ("exit 1", {}, "unknown", "exit status 1"),
        ("sleep 30", {"timeout_seconds": 0.3}, "unknown", "did not answer in time"),
    ],
)
def test_what_systemd_says_is_judged(systemctl, look, script, options, status, said):
    systemctl(script)
    outcome = look("unit", unit="app.service", **options)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary


def test_systemd_is_asked_without_a_shell_and_without_surprises(systemctl, look):
    systemctl('printf "%s\\n" "$@" LoadState=loaded ActiveState=active "SubState=$*"')
    outcome = look("unit", unit="app@1.service")
    assert outcome.details["sub_state"].startswith("show --no-pager --property=LoadState,")
    assert outcome.details["sub_state"].endswith("-- app@1.service")


def test_no_systemctl_is_no_systemd():
    result = CommandResult(("systemctl",), None, "", "", problem="systemctl: No such file or directory")
    with pytest.raises(Unchecked, match="has no systemd") as problem:
        read_properties(result)
    assert problem.value.permanent
    assert "process or pm2" in problem.value.hint


@pytest.mark.parametrize(
    ("before", "now", "options", "status", "since", "said"),
    [
        (None, 9, {}, "ok", None, "is active (running)."),
        (9, 9, {}, "ok", 0, "is active (running)."),
        (9, 10, {}, "warning", 1, "but restarted once since 2026-11-22T00:00:00Z; warning from 1."),
        (9, 12, {}, "warning", 3, "restarted 3 times since"),
        (9, 2, {}, "warning", 2, "restarted 2 times"),  # the counter was reset
        (9, 0, {}, "ok", 0, "is active"),
        (9, 12, {"warning_restarts": 4}, "ok", 3, "is active (running)."),
        (9, 12, {"critical_restarts": 3}, "critical", 3, "critical from 3."),
    ],
)
def test_restarts_since_the_last_run_are_judged(systemctl, before, now, options, status, since, said):
    systemctl(says(restarts=str(now)))
    (probe,) = read_probes([{"type": "unit", "unit": "app.service", **options}], {})
    previous = {} if before is None else {probe.series: Previous("2026-11-22T00:00:00Z", before)}
    outcome = look_once(probe, previous)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary
    assert outcome.details["restarts"] == outcome.restarts == now
    assert outcome.details["restarts_since_last"] == since
