# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare members of an archive with lines of its manifest as bytes, in the form in which this collection writes both.

Nothing is taken apart, which costs a third of the time; what does not fit so may fit in another form, and is to be read in full.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_headers import octal
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarMember
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import (
    DIRECTORY,
    FILE,
    HARDLINK,
    SYMLINK,
    owner_and_mode,
    quoted,
)

TYPES = {b"0": FILE, b"\0": FILE, b"7": FILE, b"5": DIRECTORY, b"2": SYMLINK, b"1": HARDLINK}

SHA256_DIGITS = 64
#: Those of a time that no header of ustar holds.
SUBSECOND_DIGITS = 9

_MOST_OWNERS = 10_000
_HEX_DIGITS = b"0123456789abcdef"
#: What follows the time: what only the manifest knows.
_REST = re.compile(rb'(?:,"source":"([ !#-\[\]-~]*)")?(?:,"torn":true)?\}')
#: Records of an extended header that say no more than a name.
_NAMES = frozenset((b"path", b"linkpath"))
#: What no line has in place of a time.
_NO_TIME = b"no time"
#: What JSON writes as it is.
UNESCAPED = bytes(byte for byte in range(0x20, 0x7F) if byte not in b'"\\')


class Fit(NamedTuple):
    """What a line says besides what the header of its member says.

    :ivar sha256: of a file, in hexadecimal digits; else empty.
    :ivar mtime_ns: time of the last change in nanoseconds since 1970, in decimal digits.
    """

    sha256: bytes
    mtime_ns: bytes
    source: str


class UsualLines:
    """Remembers what many members of a tree have alike."""

    def __init__(self) -> None:
        self._owners: dict[bytes, bytes] = {}
        self._numbers = self._time = self._names = self._attributes = self._seconds = b""
        self._rest, self._source = b"}", b""

    def fit(self, member: TarMember, line: bytes) -> Optional[Fit]:
        """Return what a line adds when it says of a member all that its header says; else None."""
        at = self._fits_until(member, line)
        if at is None:
            return None
        end = at + len(self._attributes)
        mtime_ns = line[end - len(self._seconds) : end + SUBSECOND_DIGITS]
        return Fit(_sha256(member, line, at), mtime_ns, self._source.decode("ascii"))

    def digest(self, member: TarMember, line: bytes) -> Optional[bytes]:
        """Return the digest of a fit alone, for who needs no more of it; empty for what is no file."""
        at = self._fits_until(member, line)
        return None if at is None else _sha256(member, line, at)

    def _fits_until(self, member: TarMember, line: bytes) -> Optional[int]:
        """Return where in a line that fits mode, owner and time stand, behind the digest of a file; else None."""
        kind, block, name = TYPES.get(member.kind), member.block, member.name
        if kind is None or member.records and not _NAMES.issuperset(member.records):
            return None
        if kind != FILE:
            name = name.rstrip(b"/")  # tar writes a slash behind those of directories
        elif name.endswith(b"/"):  # a directory, by the rules of archives from before 1988
            return None
        shown = _shown(name)
        if not shown:
            return None
        if kind == FILE:
            head = b'{"name":"%b","type":"file","size":%d,"sha256":"' % (shown, member.size)
            at = len(head) + SHA256_DIGITS
            if line[len(head) : at].translate(None, _HEX_DIGITS):
                return None
        elif kind == DIRECTORY:
            head = b'{"name":"%b","type":"directory' % shown
            at = len(head)
        else:
            target = _shown(member.details().target)
            if not target:
                return None
            head = b'{"name":"%b","type":"%b","target":"%b' % (shown, kind.encode("ascii"), target)
            at = len(head)
        if block[136:148] != self._time or block[100:124] != self._numbers or block[257:329] != self._names:
            self._remember(member)
        end = at + len(self._attributes)
        rest = end + SUBSECOND_DIGITS
        if not (line.startswith(head) and line.startswith(self._attributes, at) and line[end:rest].isdigit()):
            return None
        return at if line[rest:] == self._rest or self.fits_rest(line, rest) else None

    def fits_rest(self, line: bytes, at: int) -> bool:
        """Tell whether a line ends as one does, from behind its time on, and remember of which source it is."""
        match = _REST.fullmatch(line, at)
        if match:
            self._rest, self._source = line[at:], match.group(1) or b""
        return bool(match)

    def _remember(self, member: TarMember) -> None:
        """Remember what a line says of mode, owner and whole seconds of the time."""
        block = member.block
        owner = self.owner(member)
        self._numbers, self._time, self._names = block[100:124], block[136:148], block[257:329]
        self._seconds = whole_seconds(self._time)
        self._attributes = owner + self._seconds

    def owner(self, member: TarMember) -> bytes:
        """Return what a line says of rights and owner, between contents and time; a tree has few different ones."""
        fields = owner_fields(member)
        known = self._owners.get(fields)
        if known is None:
            details = member.details()
            user, group = (name.decode("utf-8", "surrogateescape") for name in (details.user, details.group))
            known = b'",' + owner_and_mode(details.mode, details.uid, details.gid, user, group)
            if len(self._owners) >= _MOST_OWNERS:
                self._owners.clear()
            self._owners[fields] = known
        return known


def owner_fields(member: TarMember) -> bytes:
    """Return the fields of a header that say mode and owner: equal ones mean the same where no extended header says otherwise."""
    return member.block[100:124] + member.block[257:329]


def is_unescaped(text: bytes) -> bool:
    """Tell whether all of a name is printable ASCII that JSON writes as it is."""
    return not text.translate(None, UNESCAPED)


def _shown(text: bytes) -> bytes:
    """Return a name as a line has it between its quotation marks; nothing at all when no file can have it."""
    if not text.translate(None, UNESCAPED):
        return text
    return b"" if b"\0" in text else quoted(text.decode("utf-8", "surrogateescape"))[1:-1]


def _sha256(member: TarMember, line: bytes, at: int) -> bytes:
    """Return the digest in a line that fits, which ends at ``at``; empty for what is no file."""
    return line[at - SHA256_DIGITS : at] if TYPES[member.kind] == FILE else b""


def whole_seconds(time: bytes) -> bytes:
    """Return the time of a header as a line spells its whole seconds; something that fits nothing when it is in no octal digits."""
    try:
        seconds = octal(time)
    except ValueError:
        return _NO_TIME
    # In the first second of 1970 the nanoseconds stand alone, in as many digits as they have.
    return b"%d" % seconds if seconds else _NO_TIME
