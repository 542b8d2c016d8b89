"""Settings of the kernel beside the rules, and reports of lynis as it writes them."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.kernel import SETTINGS, inspect_kernel
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.lynis import (
    Advice,
    Limits,
    Report,
    inspect_lynis,
    judge_report,
    read_report,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Overrides

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=timezone.utc)


def prepared(root: Path, **settings: str) -> Host:
    for name, value in settings.items():
        path = root / "proc/sys" / name.replace(".", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    return Host(str(root))


def test_settings_beside_their_rules(tmp_path: Path) -> None:
    host = prepared(tmp_path, **{"kernel.randomize_va_space": "2\n", "kernel.kptr_restrict": "0\n", "fs.suid_dumpable": "2\n", "fs.protected_fifos": " 3 \n"})
    findings, figures = inspect_kernel(Overrides(), host)
    assert [(one.subject, one.status, one.value) for one in findings] == [
        ("kernel.randomize_va_space", "ok", "2"), ("kernel.kptr_restrict", "warning", "0"), ("fs.protected_fifos", "warning", "3"),
        ("fs.suid_dumpable", "ok", "2"),
    ]  # fmt: skip
    assert "kernel.kptr_restrict is 0 (asked for: 1 or 2)" in findings[1].summary and "kernel.kptr_restrict = 1" in findings[1].hint
    assert figures["settings"] == 4 and len(figures["absent"]) == len(SETTINGS) - 4, "what a kernel does not have is left out"
    accepting = Overrides(accepted={"kernel.kernel.kptr_restrict": ("0",)})
    assert [one.status for one in inspect_kernel(accepting, host)[0]] == ["ok", "ok", "warning", "ok"]


def test_a_host_without_settings_is_unknown_and_so_is_one_that_cannot_be_read(tmp_path: Path) -> None:
    ((finding,), _figures) = inspect_kernel(Overrides(), Host(str(tmp_path)))
    assert (finding.subject, finding.status) == ("/proc/sys", "unknown")
    prepared(tmp_path, **{"kernel.kptr_restrict": "1"})
    os.mkfifo(tmp_path / "proc/sys/kernel/dmesg_restrict")
    findings, _figures = inspect_kernel(Overrides(), Host(str(tmp_path)))
    assert [(one.subject, one.status) for one in findings] == [("kernel.kptr_restrict", "ok"), ("kernel.dmesg_restrict", "unknown")]


def test_this_kernel_is_looked_at() -> None:
    findings, figures = inspect_kernel(Overrides(), Host())
    assert figures["settings"] > 5 and not [one for one in findings if one.status == "critical"]


REPORT = """# Lynis Report
report_version_major=1
report_datetime_start=2026-11-20 03:00:01
lynis_version=3.0.8
os=Linux
warning[]=KRNL-5830|Reboot of system is most likely needed||text:reboot|
warning[]=PKGS-7392|Found one or more vulnerable packages.|-|-|
warning[]=PKGS-7392|Found another.|nginx|-|
suggestion[]=SSH-7408|Consider hardening SSH configuration|AllowTcpForwarding (set YES to NO)|-|
suggestion[]=SSH-7408|Consider hardening SSH configuration|LogLevel (set INFO to VERBOSE)|-|
hardening_index=64
tests_executed=HRDN-7230|
report_datetime_end=2026-11-20 03:01:40
finish=true
"""


def test_a_report_is_read() -> None:
    report = read_report(REPORT)
    assert (report.version, report.index) == ("3.0.8", 64)
    assert report.warnings[0] == Advice("KRNL-5830", "Reboot of system is most likely needed", "", "text:reboot")
    assert report.warnings[2] == Advice("PKGS-7392", "Found another.", "nginx", "")
    assert [one.details for one in report.suggestions] == ["AllowTcpForwarding (set YES to NO)", "LogLevel (set INFO to VERBOSE)"]


@pytest.mark.parametrize(
    ("age", "limits", "expected"),
    [
        (8.5, Limits(0, 35), {"index": "ok", "report": "ok"}), (8.5, Limits(65, 35), {"index": "warning", "report": "ok"}),
        (8.5, Limits(64, 35), {"index": "ok", "report": "ok"}), (36, Limits(0, 35), {"index": "ok", "report": "warning"}),
        (900, Limits(0, 0), {"index": "ok", "report": "ok"}),
    ],
)  # fmt: skip
def test_what_a_report_means(age: float, limits: Limits, expected: dict[str, str]) -> None:
    found = {one.subject: one for one in judge_report(read_report(REPORT), age, limits)}
    assert {name: one.status for name, one in found.items()} == {"lynis KRNL-5830": "warning", "lynis PKGS-7392": "warning", **expected}
    assert found["lynis PKGS-7392"].rule == "lynis.PKGS-7392" and "and 1 more of this test" in found["lynis PKGS-7392"].summary
    assert (found["index"].value, found["report"].value) == (64, age)


@pytest.mark.parametrize(
    "text", ["", "hardening_index=", "hardening_index=lots", "\0\0\0", "warning[]=", "=\n==\nwarning[]=|||||||||||\nsuggestion[]=\x1b[2J|<b>"]
)
def test_a_report_that_says_no_index_is_unknown(text: str) -> None:
    findings = judge_report(read_report(text), 1.0, Limits(0, 35))
    assert [one.status for one in findings if one.subject == "index"] == ["unknown"]
    assert all((one.row()["summary"] + one.row()["subject"]).isprintable() for one in findings)


def test_a_report_without_end_is_bounded() -> None:
    report = read_report("warning[]=A-1|x\n" * 50_000 + "hardening_index=999999999999\n")
    assert len(report.warnings) == 200 and report.index == 100
    assert len(judge_report(report, 1.0, Limits(0, 35))) == 3
    assert judge_report(Report(index=0), 1.0, Limits(1, 0))[0].status == "warning"


def lynis(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "lynis").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "lynis").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def looked(root: Path, *, run: bool = False, seconds: float = 20.0) -> list[tuple[str, str]]:
    findings, _figures = inspect_lynis(Limits(0, 35), run=run, now=NOW, timeout_seconds=seconds, host=Host(str(root)))
    return [(one.subject, one.status) for one in findings]


def test_without_lynis_or_without_a_report_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_given, **_named: None)
    assert looked(tmp_path) == []
    assert looked(tmp_path, run=True) == [("run", "unknown")]
    monkeypatch.undo()
    lynis(tmp_path / "bin", monkeypatch, "true")
    assert looked(tmp_path) == []


def test_a_report_is_found_and_one_that_is_no_file_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lynis(tmp_path / "bin", monkeypatch, "true")
    path = tmp_path / "var/log/lynis-report.dat"
    path.parent.mkdir(parents=True)
    path.write_text(REPORT)
    os.utime(path, (NOW.timestamp() - 86_400, NOW.timestamp() - 86_400))
    assert looked(tmp_path)[-2:] == [("index", "ok"), ("report", "ok")]
    path.unlink()
    os.mkfifo(path)
    assert looked(tmp_path) == [("report", "unknown")]


@pytest.mark.usefixtures("root")
def test_it_runs_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "var/log/lynis-report.dat"
    path.parent.mkdir(parents=True)
    (tmp_path / "written").write_text(REPORT)
    lynis(tmp_path / "bin", monkeypatch, f'[ "$*" = "audit system --cronjob --no-colors" ] && cp {tmp_path}/written {path}; exit 78')
    assert looked(tmp_path) == []
    assert ("index", "ok") in looked(tmp_path, run=True)
    lynis(tmp_path / "bin", monkeypatch, "exec sleep 60")
    assert looked(tmp_path, run=True, seconds=0.5)[0] == ("run", "unknown")
