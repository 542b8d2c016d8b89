# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dead man's timer: systemd takes a change of the firewall back unless somebody comes back in time and stops it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import nftables
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_TOKEN = re.compile(r"[0-9a-f]{8}")
#: What ``systemctl is-active`` says of a unit that comes or is at work, and of one that does not.
_THERE = {"active", "activating", "deactivating", "maintenance", "refreshing", "reloading"}
_GONE = {"failed", "inactive"}
#: At least one is active; none is; none is known. Anything else, also a silent 0 as in a chroot, is no answer.
_ANSWERS = (0, 3, 4)


class Silent(UpkeepError):
    """Nobody can tell whether a timer runs: systemd gave no answer. The message is a sentence without its full stop."""


@dataclass(frozen=True)
class Timers:
    """What can be known of timers.

    :ivar running: those that will come.
    :ivar silence: why nobody can tell whether one will, as a sentence without its full stop; "" when it is known.
    """

    running: tuple[str, ...]
    silence: str = ""


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
    try:
        runs = timer_runs(unit)
    except Silent as exc:
        raise UpkeepError(f"{exc.message}, right after it was armed. Nothing was changed.") from exc
    if not runs:
        raise UpkeepError(f"the timer {unit}.timer was armed and does not run: systemctl status {unit}.timer. Nothing was changed.")


def timer_runs(unit: str) -> bool:
    """Tell whether a timer will come.

    :raises Silent: when nobody can tell.
    """
    return _states([f"{unit}.timer"])[0] in _THERE


def look_at(units: Sequence[str]) -> Timers:
    """Return what can be known of timers. Where there are none, systemd is not asked."""
    try:
        states = _states([f"{unit}.timer" for unit in units])
    except Silent as exc:
        return Timers((), exc.message)
    return Timers(tuple(unit for unit, state in zip(units, states) if state in _THERE))


def stop_timers(units: Sequence[str]) -> None:
    """Stop timers; those that are gone are no trouble.

    :raises UpkeepError: when one still runs, or (:class:`Silent`) nobody can tell whether one does; a sentence without its full stop.
    """
    if not units:
        return
    # The services too: a timer whose time is over just now has started its own, and it takes the rules back a moment later.
    named = [f"{unit}.{kind}" for unit in units for kind in ("timer", "service")]
    done = systemctl("stop", *named)
    left = [name for name, state in zip(named, _states(named)) if state in _THERE]
    if left:
        raise UpkeepError(f"{', '.join(left)} cannot be stopped ({_reason(done)})")


def systemctl(*arguments: str) -> CommandResult:
    """Run systemctl."""
    return run_command([_program("systemctl"), *arguments])


def _states(units: Sequence[str]) -> list[str]:
    """Return the state of each unit.

    :raises Silent: when systemd does not say all of them.
    """
    if not units:
        return []
    done = systemctl("is-active", *units)
    states = done.stdout.split()
    answered = not done.timed_out and done.returncode in _ANSWERS and len(states) == len(units) and set(states) <= _THERE | _GONE
    if not answered:
        raise Silent(f"Nobody can tell whether {', '.join(units)} will come ({_reason(done)})")
    return states


def _program(name: str) -> str:
    found = shutil.which(name, path=nftables.SEARCH_PATH)
    return os.path.abspath(found) if found else name


def _reason(done: CommandResult) -> str:
    if done.timed_out:
        return "no answer in time"
    return plain(done.problem or done.stderr, 200) or f"it ended with {done.returncode}"
