# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The PM2 probe: what PM2 says about an application, checked against the processes that really run.

PM2 says "online" of applications that hang, restart for ever, or are gone; and ``pm2 jlist`` starts a PM2 daemon when
there is none, which a probe must not.
"""

from __future__ import annotations

import json
import os
import pwd
import shlex
import shutil
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken, Outcome, Unchecked
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.pid_files import pid_in
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import BECOME_HINT, is_running
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_INSTALL_HINT = "Install PM2 on this host, or look at this service in another way: as a unit or a process."
MAX_LIST_BYTES = 16 * 1024 * 1024
_MAX_CANDIDATES = 200
_COMMAND_NOT_FOUND = (126, 127)


def target_of(options: dict[str, Any]) -> str:
    """Return what the probe looks at, for people."""
    return f"PM2 application {options['app']}" + (f" of user {options['user']}" if options["user"] else "")


def probe_pm2(options: dict[str, Any], deadline: Deadline) -> Outcome:
    """Ask the PM2 daemon of the user for its list once."""
    home, uid = _account(options["user"])
    pm2_home = options["pm2_home"] or os.path.join(home, ".pm2")
    path = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/local/bin"
    _require_daemon(pm2_home, installed=shutil.which(options["executable"], path=path) is not None)
    argv = list_command(options["executable"], options["user"], home, pm2_home, own_uid=os.geteuid(), uid=uid)
    environment = {"HOME": home, "PM2_HOME": pm2_home, "PM2_DISCRETE_MODE": "true", "PATH": path}
    result = run_command(
        argv, timeout_seconds=deadline.remaining(), max_output_bytes=MAX_LIST_BYTES, environment=environment
    )
    return judge(options, read_list(result), is_running, time.time())


def _account(user: str | None) -> tuple[str, int]:
    """Return home directory and number of the user whose PM2 is asked."""
    try:
        account = pwd.getpwuid(os.geteuid()) if user is None else pwd.getpwnam(user)
    except KeyError:
        raise Unchecked(f"this host has no user {user or os.geteuid()}", permanent=True) from None
    return account.pw_dir, account.pw_uid


def _require_daemon(pm2_home: str, *, installed: bool) -> None:
    pid_file = os.path.join(pm2_home, "pm2.pid")
    try:
        pid = pid_in(pid_file)
    except FileNotFoundError:
        if not installed:
            raise Unchecked("PM2 is not installed on this host", hint=_INSTALL_HINT, permanent=True) from None
        raise Broken(f"does not run: no PM2 daemon was started with {pm2_home}") from None
    except OSError as exc:
        raise Unchecked(f"{pid_file} cannot be read ({exc.strerror})", hint=BECOME_HINT, permanent=True) from exc
    if pid is None or not is_running(pid):
        raise Broken(f"does not run: its PM2 daemon ({pid_file}) is dead")


def list_command(
    executable: str, user: str | None, home: str, pm2_home: str, *, own_uid: int, uid: int
) -> list[str]:
    """Return the arguments that ask PM2 for its list as the given user."""
    command = [executable, "jlist"]
    if user is None or own_uid == uid:
        return command
    if own_uid == 0:
        return ["runuser", "-u", user, "--", *command]
    # sudo drops the environment that run_command sets.
    variables = [f"HOME={home}", f"PM2_HOME={pm2_home}", "PM2_DISCRETE_MODE=true"]
    return ["sudo", "-n", "-u", user, "--", "env", *variables, *command]


def read_list(result: CommandResult) -> list[dict[str, Any]]:
    """Return the applications that ``pm2 jlist`` printed.

    :raises Unchecked: when PM2 is missing, may not be run, or printed no list.
    """
    if result.timed_out:
        raise Broken("belongs to a PM2 daemon that did not answer in time")
    said = plain(result.stderr or result.stdout, 200).rstrip(".")
    if result.problem or result.returncode in _COMMAND_NOT_FOUND:
        raise Unchecked(f"PM2 cannot be run ({result.problem or said})", hint=_INSTALL_HINT, permanent=True)
    if result.argv[0] == "sudo" and result.returncode == 1 and "sudo:" in result.stderr:
        raise Unchecked(f"PM2 cannot be run as its user ({said})", hint=BECOME_HINT, permanent=True)
    if result.returncode != 0:
        raise Unchecked(f"pm2 jlist failed ({said or f'exit status {result.returncode}'})")
    applications = find_list(result.stdout)
    if applications is None:
        raise Unchecked("pm2 jlist printed no list")
    return applications


def find_list(output: str) -> list[dict[str, Any]] | None:
    """Return the JSON list of applications within what PM2 printed; banners before it may begin with a bracket too."""
    decoder = json.JSONDecoder()
    empty: list[dict[str, Any]] | None = None
    position = output.find("[")
    for _candidate in range(_MAX_CANDIDATES):
        if position < 0:
            break
        try:
            value, end = decoder.raw_decode(output, position)
        except (ValueError, RecursionError):
            position = output.find("[", position + 1)
            continue
        if value and all(isinstance(item, dict) and "name" in item for item in value):
            return list(value)
        if not value:
            empty = []
        position = output.find("[", end)
    return empty


def judge(
    options: dict[str, Any], applications: list[dict[str, Any]], is_alive: Callable[[int], bool], now: float
) -> Outcome:
    """Return the outcome for what PM2 says; every instance must be online with a process that really runs.

    :param now: seconds since 1970, for the uptime.
    """
    instances = [_Instance(item, now) for item in applications if str(item.get("name")) == options["app"]]
    if not instances:
        raise Broken(f"is not known to PM2, which knows {len(applications)} others")
    problems = [problem for problem in (instance.problem(is_alive) for instance in instances) if problem]
    details = {"instances": [instance.row for instance in instances[:20]]}
    restarts = sum(instance.restarts for instance in instances)
    target = target_of(options)
    online = len(instances) - len(problems)
    facts: dict[str, Any] = {"value": online, "unit": "instances", "restarts": restarts, "details": details}
    if problems:
        text = f"{target}: {len(problems)} of {len(instances)} instances not well: {'; '.join(problems[:3])}."
        return Outcome(CRITICAL, text, hint=f"Read its log with: pm2 logs {shlex.quote(options['app'])} --nostream", **facts)
    if online < options["minimum"]:
        text = f"{target}: {online} instances online; at least {options['minimum']} expected."
        return Outcome(CRITICAL, text, **facts)
    return Outcome(OK, f"{target}: {online} of {online} instances online.", **facts)


class _Instance:
    """What is taken from one entry of the list; its environment, which may hold secrets, is not looked at."""

    def __init__(self, item: dict[str, Any], now: float) -> None:
        known = item.get("pm2_env")
        environment = known if isinstance(known, dict) else {}
        monitored, since = item.get("monit"), environment.get("pm_uptime")
        self.pid = item.get("pid") if isinstance(item.get("pid"), int) else 0
        self.status = str(environment.get("status", "unknown"))
        restarts = environment.get("restart_time")
        self.restarts = restarts if isinstance(restarts, int) else 0
        self.row = {
            "id": item.get("pm_id"),
            "pid": self.pid,
            "status": plain(self.status, 40),
            "restarts": self.restarts,
            "uptime_seconds": max(0, round(now - since / 1000)) if isinstance(since, int) else None,
            "memory_bytes": monitored.get("memory") if isinstance(monitored, dict) else None,
        }

    def problem(self, is_alive: Callable[[int], bool]) -> str:
        """Return what is wrong with the instance, or an empty string."""
        if self.status != "online":
            return f"instance {self.row['id']} is {plain(self.status, 40)} after {self.restarts} restarts"
        if not self.pid or not is_alive(self.pid):
            return f"instance {self.row['id']} is online for PM2, but its process {self.pid} does not run"
        return ""
