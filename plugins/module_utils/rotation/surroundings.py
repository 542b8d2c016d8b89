# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What surrounds the rotation of logs: the system's own logrotate, and the room on the file systems that hold logs."""

from __future__ import annotations

import glob
import os
import posixpath
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.filesystems import file_system_rows
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.judging import file_system_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.path_probe import probe_paths
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.thresholds import read_paths, read_thresholds
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.logrotate_configuration import (
    Managed,
    read_configuration,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.logrotate_health import (
    look_at_logrotate,
    system_rotation_checks,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

_MAX_MATCHES = 10_000
_MAX_FOLDERS = 200


def inspect_surroundings(params: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return what the module returns, but for ``changed``.

    :param params: the options of the module.
    :raises UpkeepError: when an option is wrong.
    """
    _refuse_wrong(params)
    checks, logrotate = _logrotate(params, now) if params["logrotate"] != "ignored" else ([], {})
    rows, more = _file_systems(params)
    checks += more
    if not checks:
        raise UpkeepError("there is nothing to look at; give paths, or let logrotate be auto or required")
    return {
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=params["return_all"]),
        "logrotate": logrotate,
        "file_systems": rows,
    }


def _refuse_wrong(params: Mapping[str, Any]) -> None:
    refuse_out_of_range(params, {"timeout_seconds": (0.1, 3600)})
    warning, critical = params["warning_hours"], params["critical_hours"]
    for name, hours in (("warning_hours", warning), ("critical_hours", critical)):
        if not 0 <= hours < float("inf"):
            raise UpkeepError(f"{name}: {hours} is not accepted; give 0 or more hours (0 switches the threshold off)")
    if warning and critical and warning > critical:
        raise UpkeepError(f"warning_hours is {warning:g}, above critical_hours, which is {critical:g}")
    for path in params["paths"]:
        if not path.startswith("/"):
            raise UpkeepError(f"paths: {path!r} is not accepted; give absolute paths")


def _logrotate(params: Mapping[str, Any], now: datetime) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    found = look_at_logrotate(
        now=now.timestamp(), timeout_seconds=params["timeout_seconds"], privileged=os.geteuid() == 0
    )
    configuration = read_configuration()
    sizes = _sizes(configuration.managed) if found.program is None else []
    options = {
        "required": params["logrotate"] == "required",
        **{name: params[name] for name in ("warning_hours", "critical_hours", "unrotated_bytes")},
    }
    age = found.state_age_seconds
    return system_rotation_checks(found, sizes, options), {
        "installed": found.program is not None,
        "last_run": None if age is None else to_iso(datetime.fromtimestamp(now.timestamp() - age, now.tzinfo)),
        "timer": found.timer,
        "cron": found.cron,
        "errors": found.errors[:20],
        "patterns": len(configuration.managed),
    }


def _sizes(managed: Sequence[Managed]) -> list[int]:
    """Return the bytes of the logs that logrotate would rotate, if it were there."""
    paths = {path for item in managed for path in islice(glob.iglob(item.pattern), _MAX_MATCHES)}
    sizes = []
    for path in paths:
        try:
            sizes.append(os.lstat(path).st_size)
        except OSError:
            continue
    return sizes


def _file_systems(params: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return figures and checks of each file system that holds logs, once each, by the first folder on it."""
    limits = read_thresholds(
        {"disk_warning_percent": params["warning_percent"], "disk_critical_percent": params["critical_percent"]}
    )
    folders = folders_of(params["paths"])
    rules = read_paths([{"path": folder} for folder in folders], limits)
    answers = probe_paths(folders, timeout_seconds=params["timeout_seconds"])
    rows = file_system_rows(folders, answers, HostFiles().read_if_present("/proc/self/mountinfo") or "")
    seen: set[Any] = set()
    kept = []
    for folder, row in zip(folders, rows):
        device = answers[folder].get("st_dev", folder)
        if device not in seen:
            seen.add(device)
            kept.append((row, rules[folders.index(folder)]))
    checks = file_system_checks([row for row, _rule in kept], [rule for _row, rule in kept])
    # The role resources tells everything of file systems; here only room counts, and what keeps logs from being written.
    return [row for row, _rule in kept], [row for row in checks if row["check"] == "disk.space" or row["status"] != OK]


def folders_of(paths: Sequence[str]) -> list[str]:
    """Return the folders that the paths of logs mean, without duplicates; of a pattern those that exist."""
    folders: dict[str, None] = {}
    for path in paths:
        folder = posixpath.dirname(posixpath.normpath("/" + path.lstrip("/")))
        matched = sorted(islice(glob.iglob(folder), _MAX_FOLDERS)) if glob.has_magic(folder) else [folder]
        folders.update(dict.fromkeys(place for place in matched if place))
    return list(folders)[:_MAX_FOLDERS]
