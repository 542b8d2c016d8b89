# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long ago the last run was, by a clock that nobody can set, and a limit for expressions that never end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from types import FrameType

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.memory import Memory

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
#: A clock that is set by so little says nothing of a jump; neither does one that runs a little fast or slow.
_SLACK_SECONDS = 120.0
_SLACK_SHARE = 0.01


class OutOfTime(Exception):
    """What ran has not come to its end within its limit."""


def boot_clock() -> tuple[str, float]:
    """Return the boot of this host and the seconds since, time asleep included."""
    try:
        with open(_BOOT_ID, encoding="ascii") as stream:
            boot = stream.read(64).strip()
    except OSError:
        boot = ""
    return boot, time.clock_gettime(time.CLOCK_BOOTTIME)


def elapsed_since(memory: Memory, now: datetime, clock: tuple[str, float]) -> tuple[float | None, str]:
    """Return the seconds since the last run, None when nobody knows, and a sentence when the clock was changed since."""
    if memory.written is None:
        return None, ""
    by_wall = now.timestamp() - memory.written
    boot, since_boot = memory.clock
    if boot and boot == clock[0]:
        real = clock[1] - since_boot
        if abs(by_wall - real) > max(_SLACK_SECONDS, _SLACK_SHARE * real):
            way = "forward" if by_wall > real else "back"
            return max(real, 0.0), f"the clock of the host was set {way} by {abs(by_wall - real):.0f} seconds since the last run"
        return max(real, 0.0), ""
    if by_wall < 0:
        return None, "the last run is in the future: the clock of the host was set back since"
    return by_wall, ""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End the block with :class:`OutOfTime` after so many seconds, also within a search that backtracks for years.

    The search looks for signals now and then. Only the main thread gets them; elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
