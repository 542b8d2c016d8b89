# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dead man's timer: systemd takes a change of the firewall back unless somebody comes back in time and stops it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import nftables
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_TOKEN = re.compile(r"[0-9a-f]{8}")


def new_timer(prefix: str) -> str:
    """Return a name that no timer has: an old one may still be there while the next is armed."""
    return prefix + secrets.token_hex(4)


def is_timer(name: object, prefix: str) -> bool:
    """Tell whether a name is one of those with this prefix."""
    return isinstance(name, str) and name.startswith(prefix) and _TOKEN.fullmatch(name[len(prefix) :]) is not None


def arm_argv(program: str, unit: str, seconds: int, command: Sequence[str], description: str) -> list[str]:
    """Return the command line that arms a timer.

    :param command: what takes the change back; it must also work when it comes late.
    :param description: for people who list the timers.
    """
    return [
        program, "--quiet", "--collect", f"--unit={unit}", f"--on-active={seconds}s", "--timer-property=AccuracySec=1s",
        f"--description={description}", "--", *command,
    ]


def require_systemd() -> None:
    """Refuse where nothing could arm a timer.

    :raises UpkeepError: when systemd does not run here.
    """
    done = systemctl("show", "--property=Version")
    if not done.succeeded or shutil.which("systemd-run", path=nftables.SEARCH_PATH) is None:
        raise UpkeepError(
            f"systemd does not answer here ({_reason(done)}), and nothing else could give the host back in time. Nothing was changed."
        )


def arm_timer(unit: str, seconds: int, command: Sequence[str], description: str) -> None:
    """Arm a timer, and make sure that it runs.

    :raises UpkeepError: when it does not.
    """
    program = _program("systemd-run")
    done = run_command(arm_argv(program, unit, seconds, command, description))
    if not done.succeeded:
        raise UpkeepError(f"the timer that would give the host back cannot be armed: {_reason(done)}. Nothing was changed.")
    if not timer_runs(unit):
        raise UpkeepError(f"the timer {unit}.timer was armed and does not run: systemctl status {unit}.timer. Nothing was changed.")


def timer_runs(unit: str) -> bool:
    """Tell whether a timer will come."""
    return systemctl("is-active", "--quiet", f"{unit}.timer").succeeded


def stop_timers(units: Sequence[str]) -> None:
    """Stop timers; those that are gone are no trouble.

    :raises UpkeepError: when one still runs.
    """
    for unit in units:
        # The service too: a timer whose time is over just now has started it, and it deletes the rules a moment later.
        done = systemctl("stop", f"{unit}.timer", f"{unit}.service")
        if timer_runs(unit):
            raise UpkeepError(f"{unit}.timer cannot be stopped ({_reason(done)}); it will give the host back.")


def systemctl(*arguments: str) -> CommandResult:
    """Run systemctl."""
    return run_command([_program("systemctl"), *arguments])


def _program(name: str) -> str:
    found = shutil.which(name, path=nftables.SEARCH_PATH)
    return os.path.abspath(found) if found else name


def _reason(done: CommandResult) -> str:
    return plain(done.problem or done.stderr, 200) or f"it ended with {done.returncode}"
