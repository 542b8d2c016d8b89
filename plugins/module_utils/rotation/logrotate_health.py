# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the system's own logrotate is alive (it ran lately, and something starts it) and its configuration valid."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    OK,
    UNKNOWN,
    WARNING,
    check_result,
    grade,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import duration_text
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.logrotate_configuration import CONFIGURATION
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

CHECK = "log.system_rotation"
STATE_FILES = (
    "/var/lib/logrotate/status", "/var/lib/logrotate/logrotate.status", "/var/lib/logrotate.status",
)
CRON_SCRIPTS = ("/etc/cron.daily/logrotate", "/etc/cron.hourly/logrotate", "/etc/periodic/daily/logrotate")
_PROPERTIES = ("LoadState", "ActiveState", "Result")
_MAX_ERRORS = 5
_ERROR = re.compile(r"^error: (.+)$", re.MULTILINE)


@dataclass
class Logrotate:
    """What is known of the system's logrotate.

    :ivar program: path of the program, or None.
    :ivar state_age_seconds: since it wrote its state file last; None when there is none.
    :ivar installed_seconds: since it was installed, or the host started: it may not have had to run before.
    :ivar timer: ``active``, ``inactive`` or ``missing`` for the timer of systemd; None when systemd was not asked.
    :ivar service_result: what systemd says of its last run, such as ``success``.
    :ivar cron: a script that cron runs.
    :ivar dry_run: the answer of ``logrotate -d``; None when it was not asked.
    """

    program: str | None = None
    state_file: str | None = None
    state_age_seconds: float | None = None
    installed_seconds: float = 0.0
    timer: str | None = None
    service_result: str = ""
    cron: str | None = None
    dry_run: CommandResult | None = None
    privileged: bool = True
    errors: list[str] = field(default_factory=list)


def look_at_logrotate(*, now: float, timeout_seconds: float, privileged: bool) -> Logrotate:
    """Ask the host.

    :param now: seconds since 1970.
    :param privileged: this user may read what logrotate reads.
    """
    found = Logrotate(privileged=privileged)
    path = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
    found.program = shutil.which("logrotate", path=path)
    if found.program is None:
        return found
    for name in STATE_FILES:
        try:
            status = os.lstat(name)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            found.state_file, found.state_age_seconds = name, max(0.0, now - status.st_mtime)
            break
    found.installed_seconds = min(max(0.0, now - os.stat(found.program).st_ctime), time.clock_gettime(time.CLOCK_BOOTTIME))
    found.cron = next((name for name in CRON_SCRIPTS if os.access(name, os.X_OK)), None)
    found.timer, found.service_result = _ask_systemd(timeout_seconds)
    if privileged and os.path.exists(CONFIGURATION):
        found.dry_run = run_command([found.program, "-d", CONFIGURATION], timeout_seconds=timeout_seconds)
        found.errors = [plain(text, 200) for text in _ERROR.findall(found.dry_run.stderr)]
    return found


def _ask_systemd(timeout_seconds: float) -> tuple[str | None, str]:
    argv = ["systemctl", "show", "--no-pager", f"--property={','.join(_PROPERTIES)}", "logrotate.timer", "logrotate.service"]
    result = run_command(argv, timeout_seconds=timeout_seconds)
    if not result.succeeded:
        return None, ""
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in result.stdout.split("\n\n")]
    if len(blocks) < 2:
        return None, ""
    timer, service = blocks[0], blocks[1]
    state = "missing" if timer.get("LoadState") != "loaded" else "active" if timer.get("ActiveState") == "active" else "inactive"
    return state, service.get("Result", "") if service.get("LoadState") == "loaded" else ""


def system_rotation_checks(found: Logrotate, sizes: Sequence[int], options: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the checks of life and configuration; one alone where there is no logrotate.

    :param sizes: bytes of the logs that its configuration names.
    :param options: ``required``, ``warning_hours``, ``critical_hours``, ``unrotated_bytes``.
    """
    if found.program is None:
        return [_check_absent(sizes, options)]
    return [_check_life(found, options), _check_configuration(found)]


def _check_absent(sizes: Sequence[int], options: dict[str, Any]) -> dict[str, Any]:
    total, limit = sum(sizes), options["unrotated_bytes"]
    hint = "Install it (Debian and Ubuntu: apt install logrotate), or limit these logs in another way."
    if options["required"]:
        return check_result(
            CHECK, "logrotate", UNKNOWN, "logrotate is not installed on this host, where it is expected.", hint=hint
        )
    named = f"the logs that packages want rotated hold {bytes_text(total)}"
    if limit and total >= limit:
        return check_result(
            CHECK, "logrotate", WARNING, f"logrotate is not installed, and {named} (warning at {bytes_text(limit)}).",
            value=total, unit="bytes", warning=limit, hint=hint,
        )
    return check_result(
        CHECK, "logrotate", OK, f"logrotate is not installed, and is not missed: {named}.",
        value=total, unit="bytes", warning=limit or None,
    )


def _check_life(found: Logrotate, options: dict[str, Any]) -> dict[str, Any]:
    """Judge when it ran last, how that ended, and whether something will start it again."""
    warning, critical = options["warning_hours"] or None, options["critical_hours"] or None
    age = found.state_age_seconds
    starter = _starter(found)
    hint = "See what starts it: systemctl list-timers logrotate.timer; journalctl -u logrotate.service -n 50."
    evidence = {"timer": found.timer, "cron": found.cron, "service_result": found.service_result, "state_file": found.state_file}

    def result(status: str, summary: str) -> dict[str, Any]:
        return check_result(
            CHECK, "logrotate", status, summary, value=None if age is None else round(age / 3600, 1), unit="hours",
            warning=warning, critical=critical, hint=None if status == OK else hint,
            evidence=None if status == OK else evidence,
        )

    limits = " (" + ", ".join(f"{name} at {limit:g} hours" for name, limit in (("warning", warning), ("critical", critical)) if limit) + ")"
    if found.service_result not in ("", "success"):
        return result(WARNING, f"The last run of logrotate.service failed ({plain(found.service_result, 50)}).")
    if age is None:
        young = warning is None or found.installed_seconds < warning * 3600
        if starter and young:
            return result(OK, f"logrotate has not run yet; {starter}, and was installed {duration_text(found.installed_seconds)} ago.")
        return result(WARNING, f"logrotate has never run on this host; {starter or 'nothing starts it'}.")
    status = grade(age / 3600, warning, critical)
    summary = f"logrotate ran last {duration_text(age)} ago{limits if warning or critical else ''}; {starter or 'nothing starts it'}."
    return result(WARNING if status == OK and not starter else status, summary)


def _starter(found: Logrotate) -> str:
    if found.timer == "active":
        return "its timer is active"
    # Debian's script for cron leaves the work to systemd where that runs the host.
    if found.cron and found.timer is None:
        return f"cron runs {found.cron}"
    return ""


def _check_configuration(found: Logrotate) -> dict[str, Any]:
    subject, answer = CONFIGURATION, found.dry_run
    hint = f"See all of it: logrotate -d {CONFIGURATION}"
    if answer is None:
        why = f"{CONFIGURATION} does not exist" if found.privileged else "only root may read what it reads"
        return check_result(
            CHECK, subject, UNKNOWN, f"The configuration of logrotate could not be tried: {why}.",
            hint=hint if found.privileged else "Run the task with become: true.",
        )
    if answer.timed_out or answer.problem:
        why = plain(answer.problem, 150) or "it did not end in time"
        return check_result(CHECK, subject, UNKNOWN, f"The configuration of logrotate could not be tried: {why}.", hint=hint)
    count = len(found.errors)
    if answer.returncode == 0 and not count:
        return check_result(CHECK, subject, OK, "The configuration of logrotate is valid.", value=0, unit="count")
    first = found.errors[0] if found.errors else f"exit status {answer.returncode}"
    more = f" and {count - 1} more" if count > 1 else ""
    return check_result(
        CHECK, subject, WARNING, f"logrotate finds mistakes in its configuration or state: {first}{more}.",
        value=max(count, 1), unit="count", hint=hint, evidence={"errors": found.errors[:_MAX_ERRORS]},
    )
