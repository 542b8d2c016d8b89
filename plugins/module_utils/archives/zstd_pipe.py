# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unpack zstd with its library, or else through the program ``zstd``: Python has no zstd of its own before 3.14."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.piping import piped
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import Space, own_space
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_frames import FrameWalk
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_library import ZstdError, decompressed, load_library
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

if TYPE_CHECKING:
    from ctypes import CDLL


def unpack_zstd(
    chunks: Iterable[bytes], budget: Budget, unprotected: Callable[[], None], space: Space | None = None
) -> Generator[memoryview, None, None]:
    """Yield the unpacked bytes of all zstd frames in ``chunks``; each chunk of them is gone when the next one is asked for.

    :param space: memory for the unpacked bytes, which are put there where that saves a copy.
    :param unprotected: called when a frame carries no checksum of its contents.
    :raises Damaged: when zstd finds it damaged, or it is cut off.
    :raises Unread: when there is neither its library nor the program zstd, or a limit is reached.
    """
    frames = FrameWalk()
    library = load_library()
    space = space or own_space()
    if library is not None:
        said = yield from _by_library(library, chunks, budget, frames, space)
    else:
        said = yield from _by_program(chunks, budget, frames, space)
    if said or not frames.whole:
        raise _problem(said, frames)
    if frames.without_checksum:
        unprotected()


def _by_library(
    library: CDLL, chunks: Iterable[bytes], budget: Budget, frames: FrameWalk, space: Space
) -> Generator[memoryview, None, str]:
    """Yield the unpacked bytes; return what is wrong, or an empty text."""

    def seen() -> Iterator[bytes]:
        for chunk in chunks:
            frames.feed(chunk)
            yield chunk

    try:
        for part in decompressed(library, seen(), budget.limits.decoder_bytes, space):
            budget.unpacked(len(part))
            yield part
    except ZstdError as error:
        return str(error)
    return ""


def _by_program(
    chunks: Iterable[bytes], budget: Budget, frames: FrameWalk, space: Space
) -> Generator[memoryview, None, str]:
    """As :func:`_by_library`."""
    program = shutil.which("zstd")
    if not program:
        raise Unread(
            "was not read: neither the library libzstd nor the program zstd is installed on the host",
            hint="Install it: apt install zstd",
        )
    # Its threads for reading and writing would compete with those here.
    argv = (program, "--decompress", "--stdout", "--quiet", "--single-thread", f"--memory={budget.limits.decoder_bytes}")
    status, said = yield from piped(argv, chunks, budget, frames.feed, space)
    return (said.rpartition("stdin")[2].strip("* :\\\n/") or "no word why") if status else ""


def _problem(said: str, frames: FrameWalk) -> Damaged | Unread:
    if "memory" in said.lower() or "window" in said.lower():
        return Unread(
            "was not read: its zstd stream needs more memory than is allowed",
            hint="Raise max_decoder_bytes, or make the backup without --ultra and --long.",
        )
    words = plain(said, 120)
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
