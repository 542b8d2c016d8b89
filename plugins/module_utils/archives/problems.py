# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be wrong with an archive: it is damaged, or nobody could tell."""

from __future__ import annotations


class ArchiveProblem(Exception):
    """Reading ended here; the message is a part of a sentence whose subject is the archive ("is cut off …").

    :ivar offset: where, in bytes of the stream that the message speaks of, or None.
    :ivar member: the member in which it happened, or an empty text.
    """

    def __init__(self, message: str, *, offset: int | None = None, member: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.member = member


class Damaged(ArchiveProblem):
    """The archive is not what was once written; its contents or a part of them cannot be had.

    :ivar cut_off: it ends too early, as an archive does that is still being written.
    """

    def __init__(self, message: str, *, offset: int | None = None, member: str = "", cut_off: bool = False) -> None:
        super().__init__(message, offset=offset, member=member)
        self.cut_off = cut_off


class Unread(ArchiveProblem):
    """Nobody could tell whether it is whole: encrypted, a method that is not known here, a limit, a missing program.

    :ivar hint: how to mend that, or an empty text.
    """

    def __init__(self, message: str, *, hint: str = "", member: str = "") -> None:
        super().__init__(message, member=member)
        self.hint = hint
