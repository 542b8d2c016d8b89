# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unpack zstd through the program ``zstd``: Python has no zstd of its own before 3.14."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterable

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.piping import piped
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_frames import FrameWalk
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain


def unpack_zstd(
    chunks: Iterable[bytes], budget: Budget, unprotected: Callable[[], None]
) -> Generator[bytes, None, None]:
    """Yield the unpacked bytes of all zstd frames in ``chunks``.

    :param unprotected: called when a frame carries no checksum of its contents.
    :raises Damaged: when zstd finds it damaged, or it is cut off.
    :raises Unread: when there is no program zstd, or a limit is reached.
    """
    program = shutil.which("zstd")
    if not program:
        raise Unread(
            "was not read: the program zstd is not installed on the host", hint="Install it: apt install zstd"
        )
    # Its threads for reading and writing would compete with those here.
    argv = (program, "--decompress", "--stdout", "--quiet", "--single-thread", f"--memory={budget.limits.decoder_bytes}")
    frames = FrameWalk()
    status, said = yield from piped(argv, chunks, budget, frames.feed)
    if status or not frames.whole:
        raise _problem(said, frames)
    if frames.without_checksum:
        unprotected()


def _problem(said: str, frames: FrameWalk) -> Damaged | Unread:
    if "memory" in said:
        return Unread(
            "was not read: its zstd stream needs more memory than is allowed",
            hint="Raise max_decoder_bytes, or make the backup without --ultra and --long.",
        )
    words = plain(said.rpartition("stdin")[2].strip("* :\\\n/"), 120)
    if frames.cut_off:
        return Damaged("is cut off: its zstd stream ends before its end", offset=frames.position, cut_off=True)
    if frames.garbage:
        return Damaged(
            f"has bytes that are no part of it after its end, at byte {frames.frame_start}", offset=frames.frame_start
        )
    return Damaged(
        f"is damaged: the zstd frame at byte {frames.frame_start} is wrong{f' ({words})' if words else ''}",
        offset=frames.frame_start,
    )
