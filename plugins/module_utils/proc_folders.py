# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the folder of one process in ``/proc``, or that of one of its threads, tells."""

from __future__ import annotations

import os
from pathlib import Path


def is_alive(folder: Path) -> bool:
    """Tell whether a process or thread has not ended; a zombie has.

    :raises OSError: when it is gone.
    """
    # The name before the state stands in parentheses and may hold parentheses and spaces itself.
    return (folder / "stat").read_bytes().rpartition(b")")[2].split()[:1] not in ([b"Z"], [b"X"])


def living_thread(folder: Path) -> Path:
    """Return where the kernel tells of a process: its folder, or that of a thread when its first thread has ended.

    The first thread of a process may end before the others. The folder of the process is then as empty as that of a zombie.

    :param folder: of the process in ``/proc``.
    :raises OSError: when the process is gone.
    """
    if is_alive(folder):
        return folder
    for name in os.listdir(folder / "task"):
        try:
            if is_alive(folder / "task" / name):
                return folder / "task" / name
        except OSError:
            continue  # it has ended
    return folder


def uids_of(folder: Path) -> tuple[int, int]:
    """Return the real and the effective user of a process.

    :param folder: of the process in ``/proc``.
    :raises OSError: when the process is gone; ``ValueError`` when the kernel does not say.
    """
    for line in (folder / "status").read_bytes().splitlines():
        if line.startswith(b"Uid:"):
            real, effective = line.split()[1:3]
            return int(real), int(effective)
    raise ValueError(f"{folder} has no user")


def executable_in(folder: Path) -> str | None:
    """Return the program that runs, or None when this user may not know it."""
    link = link_of(folder / "exe")
    return None if link is None else link.replace(" (deleted)", "")


def link_of(path: str | Path) -> str | None:
    """Return where a link of ``/proc`` leads, or None when this user may not know it."""
    try:
        return os.readlink(path)
    except OSError:
        return None
