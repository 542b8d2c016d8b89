"""Headers and lines that say the same fit as bytes; whatever differs does not, and is left to who reads in full."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.archives import tar_writer
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarMember, TarReader
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, Member, member_line
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.usual_lines import UsualLines

HASH = "ab" * 32
KINDS = {FILE: tar_writer.FILE, DIRECTORY: tar_writer.DIRECTORY, SYMLINK: tar_writer.SYMBOLIC_LINK, HARDLINK: tar_writer.HARD_LINK}
PLAIN = Member("files/opt/app/a.js", FILE, 5, HASH, "", 0o644, 1000, 1001, "app", "staff", 1_700_000_000_123_456_789, "code")
MEMBERS = [
    PLAIN,
    PLAIN._replace(source="", mtime_ns=0),
    PLAIN._replace(torn=True),
    PLAIN._replace(name="files/" + "d/" * 100 + "deep"),
    PLAIN._replace(name='files/"quoted"\\and\nmore'),
    PLAIN._replace(name="files/caf\u00e9 \u2603"),
    PLAIN._replace(name="files/not utf-8 \udcff"),
    PLAIN._replace(name="files/" + "x" * 300),
    PLAIN._replace(type=DIRECTORY, size=0, sha256="", mode=0o2755),
    PLAIN._replace(type=SYMLINK, size=0, sha256="", target="../b \u00e9"),
    PLAIN._replace(type=HARDLINK, size=0, sha256="", target="files/opt/app/" + "y" * 200),
]


def header_of(member: Member) -> TarMember:
    """Return what an archive shows of a member."""
    data = tar_writer.header(
        member.name.encode("utf-8", "surrogateescape"), KINDS[member.type], member.size, member.mode, member.uid, member.gid, member.user,
        member.group, member.mtime_ns // 1_000_000_000, member.target.encode("utf-8", "surrogateescape"),
    )
    blocks = data + bytes(member.size) + tar_writer.padding(member.size)
    return next(iter(TarReader([blocks + tar_writer.end_of_archive(len(blocks))])))


@pytest.mark.parametrize("member", MEMBERS)
def test_a_header_and_its_line_fit(member: Member) -> None:
    usual = UsualLines()
    for _turn in range(2):  # what is remembered says the same
        fit = usual.fit(header_of(member), member_line(member))
        if member.mtime_ns == 0:
            assert fit is None  # a time of the first second has fewer digits; it is read in full
        else:
            assert fit == (member.sha256.encode(), str(member.mtime_ns).encode(), member.source)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "files/opt/app/b.js"}, {"name": "files/opt/app/a.jsx"}, {"size": 6}, {"mode": 0o645}, {"uid": 1001}, {"gid": 1000},
        {"user": "root"}, {"group": "app"}, {"mtime_ns": 1_700_000_001_123_456_789}, {"mtime_ns": 17_000_000_001_123_456_789},
        {"type": DIRECTORY, "size": 0}, {"type": SYMLINK, "size": 0, "target": "x"},
    ],
)
def test_what_differs_does_not_fit(changes: dict[str, Any]) -> None:
    usual = UsualLines()
    other = PLAIN._replace(**changes)
    assert usual.fit(header_of(PLAIN), member_line(PLAIN)) is not None
    assert usual.fit(header_of(PLAIN), member_line(other)) is None
    assert usual.fit(header_of(other), member_line(PLAIN)) is None


@pytest.mark.parametrize("target", ["other", "../c"])
def test_another_target_does_not_fit(target: str) -> None:
    link = MEMBERS[-2]
    assert UsualLines().fit(header_of(link), member_line(link._replace(target=target))) is None


def test_no_byte_of_a_line_may_be_another_but_for_what_only_the_line_knows() -> None:
    line = member_line(PLAIN)
    header, free = header_of(PLAIN), {}
    for at in range(len(line)):
        changed = line[:at] + bytes((line[at] ^ 1,)) + line[at + 1 :]
        if UsualLines().fit(header, changed) is not None:
            free[at] = line[at : at + 1]
    # The digits of the checksum (one more than "a" is none of its digits), the nanoseconds and the name of the source.
    assert b"".join(free.values()) == HASH.replace("a", "").encode() + b"123456789" + b"code"


def with_time(field: bytes) -> TarMember:
    """Return a member whose time is written in another way."""
    block = header_of(PLAIN).block
    return header_of(PLAIN)._replace(block=block[:136] + field + block[148:])


LINE = member_line(PLAIN)
NUMBER = b'"mtime_ns":%d' % PLAIN.mtime_ns
EMPTY_LINK = PLAIN._replace(type=SYMLINK, size=0, sha256="", target="")
NO_LINES: list[tuple[TarMember, bytes]] = [
    # What is remembered of lines before it is not taken for the end of one that has none.
    (header_of(PLAIN), member_line(PLAIN._replace(source=""))[:-1]),
    # Seconds in base 256 are not those of a time before 1970.
    (with_time(b"\x80" + bytes(10) + b"\7"), LINE.replace(NUMBER, b'"mtime_ns":-123456789')),
    # JSON has no numbers that begin with 0.
    (with_time(b"00000000000\0"), LINE.replace(NUMBER, b'"mtime_ns":0123456789')),
    (header_of(PLAIN), LINE.replace(HASH.encode(), HASH.upper().encode())),
    (header_of(PLAIN), LINE.replace(HASH.encode(), b'","uid":0,"sha256":"' + b"ab" * 22)),
    # No file has these names and targets, and no line does.
    (header_of(PLAIN)._replace(name=b""), member_line(PLAIN._replace(name=""))),
    (header_of(PLAIN)._replace(name=b"a\0b"), member_line(PLAIN._replace(name="a\0b"))),
    (header_of(EMPTY_LINK), member_line(EMPTY_LINK)),
    (header_of(EMPTY_LINK)._replace(records={b"linkpath": b"a\0b"}), member_line(EMPTY_LINK._replace(target="a\0b"))),
    # An extended header wins over what the header itself says.
    (header_of(PLAIN)._replace(records={b"uid": b"0"}), LINE),
    (header_of(PLAIN)._replace(records={b"path": PLAIN.name.encode(), b"mtime": b"5"}), LINE),
    # Archives from before 1988 mark a directory so.
    (header_of(PLAIN)._replace(name=b"files/a/"), member_line(PLAIN._replace(name="files/a"))),
    (header_of(PLAIN)._replace(name=b"files/a/"), member_line(PLAIN._replace(name="files/a/"))),
]


@pytest.mark.parametrize(("header", "line"), NO_LINES)
def test_what_no_reader_in_full_would_take_does_not_fit(header: TarMember, line: bytes) -> None:
    usual = UsualLines()
    assert usual.fit(header, line) is None
    assert usual.fit(header_of(PLAIN), LINE) is not None
    assert usual.fit(header, line) is None


@pytest.mark.parametrize("line", [b"", b"{", member_line(PLAIN)[:-1], member_line(PLAIN) + b" ", member_line(PLAIN).replace(b",", b", ")])
def test_a_line_of_another_form_does_not_fit(line: bytes) -> None:
    assert UsualLines().fit(header_of(PLAIN), line) is None
