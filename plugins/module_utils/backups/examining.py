# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read one backup as an archive, safely, compare it with its manifest, and see whether somebody wrote to it meanwhile."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.contents import Contents, Watcher
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.reading import read_archive
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BECOME_HINT, BackupFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_verifying import Verified, verify_manifest

#: A file that is cut off and was changed so short a time ago is looked at twice, with a pause.
_RECENT_SECONDS = 60.0
_SETTLE_SECONDS = 1.0


@dataclass
class Examined:
    """A backup and what reading it has shown.

    :ivar contents: None at level ``exists``, or when it could not be opened.
    :ivar changing: somebody wrote to it while it was read.
    :ivar problem: why it could not be opened, or None.
    :ivar verified: what it and its manifests say of one another; None when they were not compared.
    """

    file: BackupFile
    contents: Contents | None = None
    changing: bool = False
    problem: Unread | None = None
    verified: Verified | None = None


def examine(
    file: BackupFile,
    limits: Limits,
    *,
    require: Sequence[str] = (),
    exclude: Sequence[str] = (),
    compare: bool = False,
    hashes: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> Examined:
    """Read the whole of a backup with the archives inside it.

    :param compare: compare it with its manifests.
    :param hashes: hash all contents when it is compared.
    :param require: shell patterns of members that must be there.
    :param exclude: shell patterns of archives inside that are not opened.
    :param pause: waits for so many seconds.
    """
    try:
        # Between the listing and now a pipe or a link may have taken its place.
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        hint = BECOME_HINT if error.errno in (errno.EACCES, errno.EPERM) else "Look again; somebody may have removed it."
        return Examined(file, problem=Unread(f"cannot be opened: {error.strerror}", hint=hint))
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return Examined(file, problem=Unread("is no file any more"))

        def read(watcher: Watcher | None = None, hashed: bool = False, quick: bool = False) -> Contents:
            return read_archive(
                descriptor, os.path.basename(file.path), limits, require=require, exclude=exclude, watcher=watcher, hashed=hashed,
                quick=quick,
            )

        verified = None
        if compare:
            contents, verified = verify_manifest(file.path, before.st_size, read, limits, hashes=hashes)
        else:
            contents = read()
        cut_off = any(isinstance(problem, Damaged) and problem.cut_off for problem in contents.problems)
        if cut_off and abs(time.time() - before.st_mtime) < _RECENT_SECONDS:
            pause(_SETTLE_SECONDS)
        after = os.fstat(descriptor)
        changing = (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
        return Examined(file, contents, changing, verified=verified)
    finally:
        os.close(descriptor)
