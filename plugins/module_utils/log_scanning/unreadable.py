# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why something could not be read, and what to do about it."""

from __future__ import annotations

import errno


class Unreadable(Exception):
    """The message is a part of a sentence whose subject is the file ("does not exist").

    :ivar hint: the next step.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Gone(Unreadable):
    """The file was there when its folder was listed, and is not now: it was rotated meanwhile."""


def refused_by_system(problem: OSError) -> Unreadable:
    """Return what an error of the system means."""
    if problem.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        return Gone("does not exist any more", "See what removes or rotates it.")
    if problem.errno in (errno.EACCES, errno.EPERM):
        return Unreadable("may not be read by this user", "Let the playbook become root on this host, or let this user read it.")
    if problem.errno == errno.ELOOP:
        return Unreadable("is a loop of links", "Let the link lead to the log.")
    return Unreadable(f"could not be read ({problem.strerror or problem})", "Look at the file system: dmesg | tail")
