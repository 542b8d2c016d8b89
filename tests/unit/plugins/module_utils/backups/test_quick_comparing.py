"""A quick comparison says that a backup is its manifest's exactly when it is; everything else is left to the thorough one."""

from __future__ import annotations

import hashlib
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.archives import process_ahead, streams, tar_writer
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.contents import Contents
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.reading import read_archive
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import examining, manifest_verifying
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import MAX_LINE_BYTES
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_copies import InsideCopy, SidecarCopy, Watching
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.quick_comparing import Differs, QuickComparison
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.backups.test_hashed_members import held, verify
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.backups.written_backups import (
    Backup,
    application,
    file,
    other,
    tar_of,
    write_backup,
)

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
#: What is read before anything is passed over.
FIRST = file("files/0", b"")
KINDS = {"file": b"0", "directory": b"5", "symlink": b"2", "hardlink": b"1"}
LIMITS = Limits(deadline=float("inf"))
#: Offset and length of the fields of a header that a line says something of; what stands before the digits of a mode is its type.
FIELDS = {"name": (0, 100), "mode": (103, 5), "uid": (108, 8), "gid": (116, 8), "size": (124, 12), "time": (136, 12), "type": (156, 1),
          "target": (157, 100), "user": (265, 32), "group": (297, 32), "prefix": (345, 155)}


def compare(backup: Backup, *, require: tuple[str, ...] = (), limits: Limits = LIMITS) -> tuple[bool, QuickComparison, Any]:
    """Return the verdict, and what was read."""
    with SidecarCopy(os.fspath(backup.path), limits) as beside, backup.path.open("rb") as archive:
        quick = QuickComparison(beside.pieces())
        watching = Watching(quick, InsideCopy(keep=False))
        try:
            contents = read_archive(archive.fileno(), backup.path.name, limits, require=require, watcher=watching, hashed=True)
            return contents.ended and quick.fits(), quick, contents
        except Differs:
            return False, quick, None


def many() -> Any:
    """Return members of all sizes around a block, of several owners and times, with folders and links between them."""
    chance = random.Random(4)
    made = []
    for number in range(120):
        name = f"files/{'long/' * chance.randrange(40)}{number}.{chance.choice(['js', 'gz.js', 'é', 'map'])}"
        size = chance.choice([0, 1, 511, 512, 513, 1024, 4000])
        made.append(
            file(name, chance.randbytes(size), mode=chance.choice([0o600, 0o644]), mtime_ns=chance.choice([7, 1_790_000_000_000_000_001]),
                 uid=chance.choice([0, 3_000_000]), user=chance.choice(["app", "rémi"]), torn=number % 50 == 7)
        )
        if number % 9 == 0:
            made += [other(f"files/folder{number}", "directory"), other(f"files/link{number}", "symlink", name)]
    return made


@pytest.mark.parametrize("processors", [1, 2])
@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.zst"])
def test_a_whole_backup_is_read_once(tmp_path: Path, kind: str, processors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_ahead, "_LEAST_BYTES", 0)
    backup = write_backup(tmp_path, kind, held())
    thorough = verify(backup, processors, monkeypatch)
    monkeypatch.delattr(manifest_verifying, "Comparison")
    quick = verify(backup, processors, monkeypatch)
    assert quick == thorough
    assert (quick["status"], quick["backups"][0]["manifest"]["torn"], quick["backups"][0]["archives_inside"]) == ("ok", 1, 1)


@pytest.mark.parametrize("chunk_bytes", [512, 700, 5000, 65536])
def test_members_are_compared_wherever_a_chunk_ends(tmp_path: Path, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = write_backup(tmp_path, "tar", many())
    monkeypatch.setattr(streams, "CHUNK_BYTES", chunk_bytes)
    fits, quick, contents = compare(backup)
    assert fits
    assert (quick.members, contents.members, quick.torn) == (len(many()), len(many()) + 1, 3)
    assert quick.hashed_bytes == sum(member.size for member, _data in many())


def test_most_members_are_passed_over(tmp_path: Path) -> None:
    backup = write_backup(tmp_path, "tar", [file(f"files/{number}", b"x" * number) for number in range(1000)])
    passed = []
    with SidecarCopy(os.fspath(backup.path), LIMITS) as beside, backup.path.open("rb") as archive:
        quick = QuickComparison(beside.pieces())
        begin = quick.begin
        quick.begin = lambda member: passed.append(member.name) or begin(member)  # type: ignore[method-assign,func-returns-value]
        read_archive(archive.fileno(), "app.tar", LIMITS, watcher=Watching(quick, InsideCopy(keep=False)))
    assert quick.fits()
    assert len(passed) < 20


def as_ours(held: Any) -> bytes:
    """Return an archive as this collection writes it: long names in two fields of ustar."""
    data = b""
    for member, contents in held:
        data += tar_writer.header(
            member.name.encode(), KINDS[member.type], len(contents), member.mode, member.uid, member.gid, member.user, member.group,
            member.mtime_ns // 10**9, member.target.encode(),
        )
        data += contents + tar_writer.padding(len(contents))
    return data + tar_writer.end_of_archive(len(data))


def summed(archive: bytearray, block: int) -> bytearray:
    """Give a header the right checksum."""
    total = sum(archive[block : block + 148]) + 256 + sum(archive[block + 156 : block + 512])
    struct.pack_into("8s", archive, block + 148, b"%06o\0 " % total)
    return archive


@pytest.mark.parametrize("name", list(FIELDS))
def test_no_field_of_a_header_may_say_anything_else(tmp_path: Path, name: str) -> None:
    members = [
        FIRST, file("files/" + "a/" * 60 + "plain.js", b"1" * 600), other("files/b", "directory"), file("files/c.js", b"2" * 700),
        other("files/d", "symlink", "b.js"), other("files/e", "hardlink", "files/c.js"), file("files/f", b""), file("files/g", b""),
    ]
    backup = write_backup(tmp_path, "tar", members)
    whole = as_ours(members)
    backup.path.write_bytes(whole)
    assert compare(backup)[0]
    at, length = FIELDS[name]
    for block in (512, 2048, 2560, 4096, 4608, 5632):
        for byte in range(block + at, block + at + length):
            if not whole[byte] or name == "size" and block in (2048, 4096, 4608):
                continue  # behind the end of a text, or of what has no contents
            changed = bytearray(whole)
            changed[byte] ^= 1
            backup.path.write_bytes(summed(changed, block))
            assert not compare(backup)[0], (block, byte - block)


SIZES = [
    (b"00000000009\0", b"", False), (b"0000000012 \0", b"0123456789", True), (b"+0000000012\0", b"0123456789", False),
    (b"0000000_012\0", b"0123456789", False), (b"           \0", b"", True), (b"\x80" + bytes(11), b"", True),
    (b"00000000007 ", b"1234567", True), (b"000000000007", b"1234567", True), (b"000000000077", b"1234567", False),
    (b"00000000007x", b"1234567", False),
]


@pytest.mark.parametrize(("size", "data", "fits"), SIZES)
def test_a_size_is_what_the_thorough_reader_takes_it_for(tmp_path: Path, size: bytes, data: bytes, fits: bool) -> None:
    members = [FIRST, file("files/a", data)]
    backup = write_backup(tmp_path, "tar", members)
    changed = bytearray(as_ours(members))
    changed[512 + 124 : 512 + 136] = size
    backup.path.write_bytes(summed(changed, 512))
    assert compare(backup)[0] == fits


def test_checksums_of_headers_are_looked_at(tmp_path: Path) -> None:
    members = [FIRST, file("files/a", b"a"), other("files/b", "directory"), file("files/c", b"c")]
    backup = write_backup(tmp_path, "tar", members)
    whole = as_ours(members)
    for block in (0, 512, 1536, 2048):
        for at in (block + 148, block + 153):
            changed = bytearray(whole)
            changed[at] ^= 1
            backup.path.write_bytes(changed)
            assert not compare(backup)[0]


def test_a_directory_has_a_size_too(tmp_path: Path) -> None:
    members = [FIRST, other("files/a", "directory")]
    backup = write_backup(tmp_path, "tar", members)
    changed = bytearray(as_ours(members))
    changed[512 + 124 : 512 + 136] = b"no size here"
    backup.path.write_bytes(summed(changed, 512))
    assert not compare(backup)[0]


def test_names_are_those_that_the_thorough_reader_finds(tmp_path: Path) -> None:
    """Without the magic of ustar there is no prefix, and only a directory has a slash at its end."""
    members = [FIRST, file("files/" + "a/" * 60 + "plain.js", b"1" * 600)]
    backup = write_backup(tmp_path, "tar", members)
    changed = bytearray(as_ours(members))
    changed[512 + 257 : 512 + 265] = b"ustar  \0"
    backup.path.write_bytes(summed(changed, 512))
    assert not compare(backup)[0]
    members = [FIRST, file("files/a/", b"")]
    backup = write_backup(tmp_path, "tar", members)
    backup.path.write_bytes(as_ours(members))
    assert not compare(backup)[0]


def test_a_name_that_is_no_json_fits_nothing(tmp_path: Path) -> None:
    backup = write_backup(tmp_path, "tar", [FIRST, file("files/a\x01b", b"x")])
    assert compare(backup)[0]
    backup.sidecar.write_bytes(backup.sidecar.read_bytes().replace(b"\\u0001", b"\x01"))
    assert not compare(backup)[0]


def test_dumps_are_compared_with_the_header_of_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dumps = [{"name": "main", "type": "sqlite", "member": "dumps/main", "bytes": 1999}]
    result = verify(write_backup(tmp_path, dumps=dumps), 1, monkeypatch)
    assert result["status"] == "critical"
    assert "the dump dumps/main has 2000 bytes, and was made with 1999" in result["backups"][0]["differences"]


def test_files_that_changed_are_counted_once(tmp_path: Path) -> None:
    data = write_backup(tmp_path, "tar", many()).sidecar.read_bytes()
    for size in (1, 2, 3, 1000, len(data)):
        lines = data[data.index(b"\n") + 1 :]
        quick = QuickComparison(lines[at : at + size] for at in range(0, len(lines), size))
        assert len(list(quick._lines)) == len(many())
        assert quick.torn == 3


def edited(change: Callable[[list[bytes]], None]) -> Callable[[Backup], None]:
    def edit(backup: Backup) -> None:
        first, *lines = backup.sidecar.read_bytes().split(b"\n")
        change(lines)
        backup.sidecar.write_bytes(b"\n".join((first, *lines)))

    return edit


def swap(lines: list[bytes]) -> None:
    lines[1], lines[2] = lines[2], lines[1]


MANIFESTS: dict[str, Callable[[list[bytes]], None]] = {
    "a line too few": lambda lines: lines.pop(3),
    "the last line too few": lambda lines: lines.pop(-3),
    "a line too many": lambda lines: lines.insert(3, lines[3]),
    "the last line again": lambda lines: lines.insert(-2, lines[-3] + b","),
    "two lines in another order": swap,
    "a comma too few": lambda lines: lines.__setitem__(4, lines[4][:-1]),
    "a comma too many": lambda lines: lines.__setitem__(-3, lines[-3] + b","),
    "another end": lambda lines: lines.__setitem__(-2, b"]"),
    "another end that is as long": lambda lines: lines.__setitem__(-2, b"]]"),
    "no end": lambda lines: lines.__delitem__(slice(-2, None)),
    "something behind the end": lambda lines: lines.append(b"x"),
    "nothing": lambda lines: lines.clear(),
    "a key that no line has": lambda lines: lines.__setitem__(1, lines[1].replace(b"}", b',"x":1}')),
    "a space": lambda lines: lines.__setitem__(1, lines[1].replace(b":", b": ", 1)),
    "a line without its end": lambda lines: lines.__setitem__(1, lines[1].replace(b',"source":"application"}', b"")),
    "lines without their ends": lambda lines: lines.__setitem__(
        slice(None), [line.replace(b',"source":"application"', b"").replace(b"}", b"") for line in lines[:-2]] + lines[-2:]
    ),
    "an empty line before the end": lambda lines: lines.insert(-2, b""),
    "an empty line at the beginning": lambda lines: lines.insert(0, b""),
    "an empty member": lambda lines: lines.insert(3, b","),
    "a line feed in a line": lambda lines: lines.__setitem__(1, lines[1].replace(b"{", b"{\n")),
    "a line that is too long": lambda lines: lines.__setitem__(1, lines[1].replace(b'"application"', b'"' + b"a" * 2 * MAX_LINE_BYTES + b'"')),
    "no end of a line": lambda lines: lines.__setitem__(slice(None), [b"x" * (3 * MAX_LINE_BYTES)]),
}


@pytest.mark.parametrize("case", [case for case in MANIFESTS if case != "a space"])
def test_a_manifest_of_other_lines_does_not_fit(tmp_path: Path, case: str) -> None:
    backup = write_backup(tmp_path, "tar", application())
    edited(MANIFESTS[case])(backup)
    assert not compare(backup)[0]


@pytest.mark.parametrize("case", list(MANIFESTS))
def test_results_are_those_of_a_thorough_comparison(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = write_backup(tmp_path, "tar.gz", application())
    edited(MANIFESTS[case])(backup)
    result = verify(backup, 1, monkeypatch)
    monkeypatch.setattr(manifest_verifying, "_compare_quickly", lambda *_given: manifest_verifying._Quick())
    assert verify(backup, 1, monkeypatch) == result


def test_a_line_in_another_form_fits_when_it_says_the_same(tmp_path: Path) -> None:
    backup = write_backup(tmp_path, "tar", application())
    edited(MANIFESTS["a space"])(backup)
    assert compare(backup)[0]


def test_each_byte_of_a_line_is_compared(tmp_path: Path) -> None:
    """Below the second, and of which source a file is, the manifest alone says."""
    backup = write_backup(tmp_path, "tar", [file("files/a.js", b"x"), file("files/b.js", b"y"), file("files/c.js", b"z")])
    whole = backup.sidecar.read_bytes()
    start = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    free = whole.index(b'123456789,"source":"application"', start), whole.index(b'"}', start)
    for at in range(start, whole.index(b"\n", start)):
        for bit in (1, 16):
            changed = bytearray(whole)
            changed[at] ^= bit
            backup.sidecar.write_bytes(changed)
            if compare(backup)[0]:
                assert free[0] <= at < free[1]
                assert at >= free[0] + 9 or changed[at] in b"0123456789"


def test_a_manifest_without_ends_of_lines_costs_no_memory(tmp_path: Path) -> None:
    taken = []

    def pieces() -> Any:
        for _turn in range(1000):
            taken.append(1)
            yield b"x" * MAX_LINE_BYTES

    with pytest.raises(Differs):
        QuickComparison(pieces()).fits()
    assert len(taken) < 5


def test_a_manifest_that_cannot_be_read_to_its_end_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = write_backup(tmp_path, "tar", application())
    thorough = verify(backup, 1, monkeypatch)

    def pieces(_beside: SidecarCopy) -> Any:
        yield backup.sidecar.read_bytes().partition(b"\n")[2].replace(b"\n]}\n", b",\n")
        raise Unread("could not be read at byte 4096")

    monkeypatch.setattr(SidecarCopy, "pieces", pieces)
    assert verify(backup, 1, monkeypatch) == thorough


@pytest.mark.parametrize("case", ["contents", "members", "checksum", "damage"])
def test_what_was_found_stays_found_when_there_is_no_time_to_read_again(tmp_path: Path, case: str) -> None:
    listed = application()
    if case == "contents":
        listed[3] = listed[3][0]._replace(sha256="0" * 64), listed[3][1]
    if case == "members":
        listed[3] = listed[3][0]._replace(mode=0o600), listed[3][1]
    backup = write_backup(tmp_path, "tar", application(), listed=listed)
    if case == "checksum":
        sha256 = hashlib.sha256(backup.path.read_bytes()).hexdigest().encode()
        backup.sidecar.write_bytes(backup.sidecar.read_bytes().replace(sha256, b"0" * 64))
    if case == "damage":
        backup.path.write_bytes(backup.path.read_bytes()[:9000])
    reads = []
    with backup.path.open("rb") as archive:

        def read(watcher: Any, hashed: bool, quick: bool) -> Contents:
            reads.append(quick)
            if len(reads) == 1:
                return read_archive(archive.fileno(), backup.path.name, LIMITS, watcher=watcher, hashed=hashed, quick=quick)
            contents = Contents()
            contents.add(Unread("was not read to its end: the time limit was reached"))
            return contents

        contents, verified = manifest_verifying.verify_manifest(
            os.fspath(backup.path), backup.path.stat().st_size, read, LIMITS, hashes=True
        )
    assert reads == [True, False]
    assert verified.problems == ["it is not what its manifest says, and could not be read once more to find out in what"]
    assert not verified.whole
    assert (contents.ended, isinstance(contents.problems[0], Damaged) if contents.problems else False) == {
        "contents": (False, False), "members": (False, False), "checksum": (True, False), "damage": (False, True),
    }[case]


def test_damage_that_only_a_quick_reading_found_is_not_told(tmp_path: Path) -> None:
    backup = write_backup(tmp_path, "tar", application())
    first, second = Contents(quick=True), Contents()
    first.add(Damaged("is damaged"))
    second.add(Unread("was not read to its end: the time limit was reached"))
    answers = iter((first, second))
    contents, verified = manifest_verifying.verify_manifest(
        os.fspath(backup.path), backup.path.stat().st_size, lambda *_given: next(answers), LIMITS, hashes=True
    )
    assert (contents, verified.problems, verified.whole) == (second, [], False)


def test_a_packed_archive_that_differs_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    monkeypatch.setattr(examining, "read_archive", lambda *given, **more: reads.append(more["quick"]) or read_archive(*given, **more))
    listed = application()
    listed[3] = listed[3][0]._replace(sha256="0" * 64), listed[3][1]
    result = verify(write_backup(tmp_path, "tar.gz", application(), listed=listed), 1, monkeypatch)
    assert (result["status"], reads) == ("critical", [True, False])


def test_required_members_are_looked_for_among_all(tmp_path: Path) -> None:
    backup = write_backup(tmp_path, "tar", many())
    fits, _quick, contents = compare(backup, require=("files/folder9", "files/nowhere"))
    assert (fits, contents.missing, contents.members) == (True, ["files/nowhere"], len(many()) + 1)


def test_members_that_are_passed_over_count(tmp_path: Path) -> None:
    backup = write_backup(tmp_path, "tar", [file(f"files/{number}", b"") for number in range(50)])
    fits, _quick, contents = compare(backup, limits=Limits(deadline=float("inf"), members=40))
    assert not fits
    assert "more than 40 members" in contents.problems[0].message


def test_contents_that_differ_are_found_here_too(tmp_path: Path) -> None:
    members = [file(f"files/{number}", b"abc" * number) for number in range(50)]
    listed = [*members[:30], file("files/30", b"abd" * 30), *members[31:]]
    assert not compare(write_backup(tmp_path, "tar", members, listed=listed))[0]
    assert tar_of(members, None) != tar_of(listed, None)
