# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of what a host may have several of (file systems, interfaces), of what the kernel counts, of restarts."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    CRITICAL,
    OK,
    WARNING,
    check_result,
    grade,
    severity,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import Unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import (
    duration_text,
    number_text,
    thresholds_text,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.gauges import culprits, not_measured
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.thresholds import Limits, PathRule

Row = Mapping[str, Any]
Check = dict[str, Any]

#: Figures of listeners: the key of the metrics, what is said of it, the next step.
_LISTENERS = (
    (
        "listen_drops", "Listeners dropped {} attempt{} to connect",
        "Clients try again, and wait. Find the listener whose queue is full, Recv-Q above Send-Q: ss -lnt. Its server accepts"
        " too slowly, or its backlog is too small: raise that, and net.core.somaxconn, which caps it.",
    ),
    (
        "syn_flood", "{} request{} to connect met a full queue of half-open connections",
        "See whether it goes on: ss -nt state syn-recv. Addresses of a flood are forged: ask the provider to filter it, and"
        " keep net.ipv4.tcp_syncookies at 1. If it is no flood, raise net.core.somaxconn and the backlog of the server.",
    ),
)
_NOT_COUNTED = "Run the task on a Linux host that counts them in /proc/net/netstat, and keep net.ipv4.tcp_syncookies at 1 or 0."


def file_system_checks(rows: Sequence[Row], rules: Sequence[PathRule]) -> list[Check]:
    """Return the checks of each path: its bytes, its inodes, and whether it can be written.

    A file system that is meant to be read-only cannot fill up: only that it is read-only is told. A path that cannot be
    looked at at all is one row: three with the same reason would tell no more.
    """
    checks = []
    for row, rule in zip(rows, rules):
        if "problem" in row:
            hint = "Correct the path, mount the file system, or mend what serves it; then run again."
            checks.append(not_measured("disk.space", rule.path, row["problem"], hint))
            continue
        if not (rule.read_only and row["read_only"]):
            checks += [_space(row, rule), _inodes(row, rule)]
        checks.append(_writable(row, rule))
    return checks


def _space(row: Row, rule: PathRule) -> Check:
    if not row["total_bytes"]:
        kind = f" ({row['file_system']})" if row["file_system"] else ""
        hint = "Look at it in another way, or leave this path out: how full it is cannot be seen from the host."
        return not_measured("disk.space", rule.path, f"its file system{kind} does not tell its size", hint)
    value, free = row["used_percent"], row["available_bytes"]
    status = grade(value, rule.space.warning, rule.space.critical)
    where = f" on {row['device']}" if row["device"] else ""
    summary = (
        f"{rule.path} is {number_text(value)} % full {thresholds_text(*rule.space, 'percent')};"
        f" {bytes_text(free)} are free{where}"
    )
    if rule.min_free_bytes is not None and free < rule.min_free_bytes:
        status = CRITICAL
        summary += f", fewer than the {bytes_text(rule.min_free_bytes)} that must be (critical)"
    hint = (
        f"Find what fills it: du -xh --max-depth=2 {shlex.quote(rule.path)} | sort -h | tail -20. Deleted files that a process keeps"
        " open count too: lsof -nP +L1."
    )
    return check_result(
        "disk.space", rule.path, status, f"{summary}.", value=value, unit="percent",
        warning=rule.space.warning, critical=rule.space.critical, hint=hint if status != OK else None,
        evidence=_place(row) if status != OK else None,
    )


def _inodes(row: Row, rule: PathRule) -> Check:
    value = row["inodes_used_percent"]
    if value is None:
        kind = f" ({row['file_system']})" if row["file_system"] else ""
        return check_result(
            "disk.inodes", rule.path, OK,
            f"The file system of {rule.path}{kind} has no fixed number of inodes, so they cannot run out.",
            unit="percent", warning=rule.inodes.warning, critical=rule.inodes.critical,
        )
    status = grade(value, rule.inodes.warning, rule.inodes.critical)
    left = row["inodes_total"] - row["inodes_used"]
    hint = f"Find the folders with very many files: du -x --inodes --max-depth=3 {shlex.quote(rule.path)} | sort -n | tail -20."
    return check_result(
        "disk.inodes", rule.path, status,
        f"{rule.path} has used {number_text(value)} % of its inodes {thresholds_text(*rule.inodes, 'percent')};"
        f" {left} are left.",
        value=value, unit="percent", warning=rule.inodes.warning, critical=rule.inodes.critical,
        hint=hint if status != OK else None, evidence=_place(row) if status != OK else None,
    )


def _writable(row: Row, rule: PathRule) -> Check:
    if not row["read_only"]:
        return check_result(
            "disk.readonly", rule.path, OK, f"The file system of {rule.path} is mounted for writing.", value=False
        )
    if rule.read_only:
        summary = f"The file system of {rule.path} is mounted read-only, as it is meant to be."
        return check_result("disk.readonly", rule.path, OK, summary, value=True)
    return check_result(
        "disk.readonly", rule.path, CRITICAL,
        f"The file system of {rule.path} is mounted read-only: nothing can be written there.", value=True,
        hint="A kernel that met an input/output error mounts a file system read-only: look at dmesg, save the data,"
        " check the disk. If it is meant to be so, set read_only: true for this path.",
        evidence=_place(row),
    )


def _place(row: Row) -> dict[str, Any]:
    return {key: row[key] for key in ("mount_point", "device", "file_system", "total_bytes", "reserved_bytes")}


def interface_checks(
    rows: Sequence[Row] | None, unavailable: Mapping[str, str], limits: Mapping[str, Limits]
) -> list[Check]:
    """Return the check of the errors and drops of each network interface; its value is the figure that is worse."""
    if rows is None:
        return [not_measured("network.errors", "network interfaces", unavailable["interfaces"])]
    checks = []
    for row in rows:
        figures = [("errors", row["errors_per_second"]), ("drops", row["drops_per_second"])]
        graded = [(grade(value, *limits[f"network_{name}"]), name, value) for name, value in figures]
        status, name, value = max(graded, key=lambda item: severity(item[0]))
        limit = limits[f"network_{name}"]
        said = " and ".join(
            f"{number_text(figure)} {word} a second {thresholds_text(*limits[f'network_{word}'], 'per_second')}"
            for word, figure in figures
        )
        checks.append(
            check_result(
                "network.errors", row["name"], status,
                f"{row['name']} counts {said}.",
                value=value, unit="per_second", warning=limit.warning, critical=limit.critical,
                hint=f"See which counter grows: ip -s -s link show dev {row['name']}; ethtool -S {row['name']}."
                if status != OK else None,
                evidence={key: row[key] for key in row if "error" in key or "drop" in key} if status != OK else None,
            )
        )
    return checks


def oom_check(
    metrics: Mapping[str, Any],
    unavailable: Mapping[str, str],
    limits: Limits,
    *,
    last_run: datetime | None,
    now: datetime,
    top_processes: Sequence[Row] = (),
) -> Check:
    """Return the check of processes that the kernel killed for want of memory.

    :param last_run: when they were counted before; without it all since the host started count.
    """
    kills = metrics["oom_kills"]
    if kills is None:
        return not_measured("memory.oom_kills", "memory", unavailable["oom_kills"])
    count, period = _counted(kills, metrics["uptime_seconds"], last_run, now)
    status = grade(count, limits.warning, limits.critical)
    killed = {0: "No process was", 1: "1 process was"}.get(count, f"{count} processes were")
    return check_result(
        "memory.oom_kills", "memory", status,
        f"{killed} killed for want of memory {period} {thresholds_text(*limits, 'count')}.",
        value=count, unit="count", warning=limits.warning, critical=limits.critical,
        hint="See which: journalctl -k -g 'Killed process'. Limit the one that grows or give the host more memory."
        if status != OK else None,
        evidence=culprits(top_processes, "memory") if status != OK and top_processes else None,
    )


def listener_checks(
    metrics: Mapping[str, Any],
    unavailable: Mapping[str, str],
    limits: Mapping[str, Limits],
    *,
    last_runs: Mapping[str, datetime | None],
    now: datetime,
) -> list[Check]:
    """Return the checks of what listeners lost: connections, and their queues of half-open ones.

    :param last_runs: when each was counted before; without it all since the host started count.
    """
    checks = []
    for name, sentence, hint in _LISTENERS:
        check, row = f"network.{name}", metrics[name]
        if row is None:
            checks.append(not_measured(check, "listeners", unavailable[name], _NOT_COUNTED))
            continue
        count, period = _counted(row, metrics["uptime_seconds"], last_runs[name], now)
        status = grade(count, *limits[name])
        checks.append(
            check_result(
                check, "listeners", status,
                f"{sentence.format(count, '' if count == 1 else 's')} {period} {thresholds_text(*limits[name], 'count')}.",
                value=count, unit="count", warning=limits[name].warning, critical=limits[name].critical,
                hint=hint if status != OK else None, evidence=dict(row) if status != OK else None,
            )
        )
    return checks


def _counted(row: Row, uptime: float | None, last_run: datetime | None, now: datetime) -> tuple[int, str]:
    """Return what was counted since the last run, or since the host started when there was none, and words for the time."""
    if row.get("since_last_run") is not None and last_run is not None:
        return row["since_last_run"], f"since the last run {duration_text((now - last_run).total_seconds())} ago"
    ago = f" {duration_text(uptime)} ago" if uptime is not None else ""
    return row["since_boot"], f"since the host started{ago}"


def restart_checks(
    restart: Mapping[str, Any], required: Collection[str] = (), unseen: Unseen | None = None
) -> list[Check]:
    """Return the checks of what waits for a restart: the host, and processes that run deleted libraries.

    :param unseen: why the processes could not be seen.
    """
    if unseen is not None:
        return [_host_restart(restart), not_measured("restart.required", "processes", str(unseen), unseen.hint)]
    return [_host_restart(restart), _process_restart(restart, complete="restart.required" in required)]


def _host_restart(restart: Mapping[str, Any]) -> Check:
    if not restart["reboot_required"]:
        return check_result("restart.required", "host", OK, "Nothing asks for a restart of the host.", value=False)
    evidence = {key: restart[key] for key in ("packages", "running_kernel", "newer_kernel") if restart[key]}
    return check_result(
        "restart.required", "host", WARNING,
        f"The host waits for a restart: {' and '.join(restart['reasons'])}.", value=True,
        hint="Restart it in a quiet hour: updates take effect only then.", evidence=evidence,
    )


def _process_restart(restart: Mapping[str, Any], *, complete: bool) -> Check:
    found, scanned, hidden = (restart[f"processes_{key}"] for key in ("found", "scanned", "unreadable"))
    rest = f" ({hidden} more could not be looked at)" if hidden else ""
    if found:
        names = list(dict.fromkeys(row["unit"] or row["name"] for row in restart["processes"]))
        listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        return check_result(
            "restart.required", "processes", WARNING,
            f"{found} of {scanned} processes still run{'s' if found == 1 else ''} code that was replaced or removed:"
            f" {listed}{rest}.",
            value=found, unit="count", hint="Restart these services: until then they run the old code, also after a"
            " security update.", evidence={"processes": restart["processes"]},
        )
    if not scanned or (hidden and complete):
        reason = f"{hidden} of {scanned + hidden} could not be looked at" if hidden else "none is listed in /proc"
        return not_measured("restart.required", "processes", reason, "Run the task with become: true.")
    return check_result(
        "restart.required", "processes", OK,
        f"None of {scanned} processes runs code that was replaced or removed{rest}.", value=0, unit="count",
    )
