# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether anybody at all has a file open for writing, asked of the kernel itself.

The kernel gives a read lease on a file only while nobody has it open for writing, be it in another container, through a
memory map, or by a process that this user may not look into. Only who it is has to be found out in ``/proc``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.folders import acting_as

#: Nobody writes; somebody writes; the file system (NFS, for example) gives no leases.
FREE, WRITTEN, UNTOLD = "free", "written", "untold"

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def ignoring_broken_leases() -> Iterator[None]:
    """Ignore the signal about a lease that somebody wants broken, which would end this process."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGIO, before)


def ask_kernel(name: str, folder: int) -> str:
    """Return :data:`FREE`, :data:`WRITTEN` or :data:`UNTOLD` for a file in an open folder.

    The lease is given back at once. Called within :func:`ignoring_broken_leases`.

    :raises OSError: when the file cannot be opened; one that is gone is nobody's.
    """
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except FileNotFoundError:
        return FREE
    try:
        answer = _ask(descriptor)
        if answer == UNTOLD and os.geteuid() == 0:
            # Root without the capability for leases, as in a container; the owner of a file needs none.
            with acting_as(os.fstat(descriptor).st_uid):
                answer = _ask(descriptor)
        return answer
    finally:
        os.close(descriptor)


def _ask(descriptor: int) -> str:
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as exc:
        return WRITTEN if exc.errno == errno.EAGAIN else UNTOLD
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return FREE
