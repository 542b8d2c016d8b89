"""The manifest of a backup: written, read again, and refused in words when it is not whole."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import (
    MAX_LINE_BYTES,
    ManifestWriter,
    Member,
    member_line,
    sidecar_path,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import parse_member, read_lines, read_manifest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

HEADER: dict[str, Any] = {
    "backup_id": "20261122T014356Z-0a1b2c3d",
    "label": "app",
    "totals": {"members": 4},
    "sources": [{"name": 'a "members": [', "paths": ["/a"]}],
}
OWNER: dict[str, Any] = {"mode": 0o644, "uid": 0, "gid": 8, "user": "root", "group": "mail", "mtime_ns": 1_700_000_000_123_456_789}
HASH = "ab" * 32
MEMBERS = [
    Member("files/opt", "directory", source="application", **{**OWNER, "mode": 0o4755}),
    Member("files/opt/caf\u00e9\udcff\n\"x\"", "file", 12, HASH, source='a,"source":"b', torn=True, **OWNER),
    Member("files/opt/link", "symlink", target="/nowhere/\udce9", source="application", **{**OWNER, "mtime_ns": -1}),
    Member("files/opt/hard", "hardlink", target="files/opt/a", source="application", **{**OWNER, "mtime_ns": 0}),
    Member("dumps/main", "file", 0, HASH, **OWNER),
]


def written(members: Iterable[Member] | None = None, **header: Any) -> bytes:
    writer = ManifestWriter()
    for member in MEMBERS if members is None else members:
        writer.add(member)
    data = b"".join(writer.chunks({**HEADER, **header}))
    assert writer.size({**HEADER, **header}) == len(data)
    writer.close()
    return data


def in_chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def problem_of(data: bytes, size: int = 100) -> ArchiveProblem:
    with pytest.raises(ArchiveProblem) as caught:
        list(read_manifest(in_chunks(data, size))[1])
    return caught.value


@pytest.mark.parametrize("size", [1, 2, 7, 100, 10**6])
def test_what_is_written_is_read_again_whatever_the_chunks(size: int) -> None:
    header, members = read_manifest(in_chunks(written(), size))
    assert list(members) == MEMBERS
    assert header == {"schema": 1, **HEADER}


def test_it_is_one_json_document_with_a_line_for_each_member() -> None:
    data = written()
    document = json.loads(data)
    assert [member["name"] for member in document["members"]] == [member.name for member in MEMBERS]
    assert document["members"][0]["mode"] == "4755"
    assert "size" not in document["members"][0] and "torn" not in document["members"][0]
    assert document["members"][1]["torn"] is True
    assert data.isascii()
    assert [line.rstrip(b",") for line in data.splitlines()[1:-1]] == [member_line(member) for member in MEMBERS]


def test_a_manifest_without_members_is_whole() -> None:
    header, members = read_manifest([written([])])
    assert (header["label"], list(members)) == ("app", [])


def test_it_is_written_twice_with_another_header() -> None:
    writer = ManifestWriter()
    writer.add(MEMBERS[0])
    archive = {"name": "app.tar", "bytes": 5, "sha256": HASH}
    inside, beside = (b"".join(writer.chunks(header)) for header in (HEADER, {**HEADER, "archive": archive}))
    assert read_manifest([beside])[0]["archive"] == archive
    assert inside.splitlines()[1:] == beside.splitlines()[1:]
    writer.close()


def test_a_cut_at_any_byte_is_told() -> None:
    data = written()
    for length in range(len(data) - 1):
        problem = problem_of(data[:length])
        assert isinstance(problem, Damaged)
        assert problem.cut_off, (length, problem.message)
    assert list(read_lines([data[:-1]])[1]), "the last line feed alone is no loss"


LINE = member_line(MEMBERS[4])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"schema": 1', b'"schema": 2', "written by a later version (schema 2)"),
        (b'"schema": 1', b'"schema": true', '"schema" is not 1'),
        (b'"schema": 1, ', b"", '"schema" is not 1'),
        (b"20261122T", b"2026112T", 'has no "backup_id" of the form'),
        (b'"label": "app"', b'"archive": {"name": "x"}', 'has an "archive" without'),
        (b'"label": "app"', b'"label": NaN', "valid JSON in its first line (NaN is no number"),
        (b'"label": "app"', b'"label": "app', "valid JSON in its first line"),
        (b'"label": "app"', b'"label": ' + b"[" * 100_000, "valid JSON in its first line"),
        (b'"label": "app"', b'"label": ' + b"9" * 100_000, "too many digits"),
        (b'"label": "app"', b'"label": "' + b"x" * 5_000_000 + b'"', "has a line of more than 4194304 bytes"),
        (b'"members": [\n', b'"members": [', "does not end in"),
        (b'"name":"dumps/main"', b'"name":""', '"name" is no name'),
        (b'"name":"dumps/main"', b'"name":"a\\u0000b"', '"name" is no name'),
        (b'"name":"dumps/main"', b'"name":"\\ud800"', '"name" is no name'),
        (b'"name":"dumps/main"', b'"name":"' + b"x" * MAX_LINE_BYTES + b'"', "has a line of more than 65536 bytes"),
        (LINE, LINE.replace(b'"file"', b'"socket"'), '"type" is none of'),
        (LINE, LINE.replace(b'"0644"', b"644"), '"mode" is not four octal digits'),
        (LINE, LINE.replace(b'"uid":0', b'"uid":-1'), '"uid" is no number'),
        (LINE, LINE.replace(b'"uid":0', b'"uid":true'), '"uid" is no number'),
        (LINE, LINE.replace(b'"mtime_ns"', b'"mtime_nS"'), "it has a key that no member has"),
        (LINE, LINE.replace(b',"uid":0', b""), '"uid" is missing'),
        (LINE, LINE.replace(b'"user":"root"', b'"user":[]'), '"user" is no text'),
        (LINE, LINE.replace(b"abab", b"ABAB"), '"size" or "sha256" of a file'),
        (LINE, LINE.replace(b'"size":0,', b""), '"size" or "sha256" of a file'),
        (b'"target":"files/opt/a"', b'"target":""', '"target" of a hardlink'),
        (LINE, b"[]", "has no JSON object in line 6"),
        (LINE, b"", "has no valid JSON in line 6"),
        (LINE, LINE + b",", "has its end in line 7 instead of a member"),
        (b",\n" + LINE, b"\n" + LINE, "has something else than its end in line 6"),
        (b"]}\n", b"]}\n]}\n", "has something behind its end in line 7"),
    ],
)
def test_what_is_no_manifest_is_refused_in_words(old: bytes, new: bytes, words: str) -> None:
    data = written()
    assert old in data
    problem = problem_of(data.replace(old, new), 64 * 1024)
    assert words in problem.message
    assert isinstance(problem, Unread) == ("later version" in words)


def test_an_empty_file_and_another_file_are_none() -> None:
    assert problem_of(b"").message == "is empty"
    assert "does not end in" in problem_of(b"\x1f\x8b" * 500 + b"\n").message


def test_memory_stays_small_when_no_line_ends() -> None:
    taken = 0

    def endless() -> Iterable[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 65536

    with pytest.raises(Damaged):
        read_manifest(endless())
    assert taken < 100


def test_a_name_that_no_reader_takes_is_refused_when_written() -> None:
    writer = ManifestWriter()
    longest = "\udcff" * 4095
    writer.add(Member(longest, "symlink", target=longest))
    with pytest.raises(UpkeepError, match="too long for a manifest"):
        writer.add(Member("x" * MAX_LINE_BYTES, "directory"))
    with pytest.raises(UpkeepError, match="too much besides its members"):
        next(iter(writer.chunks({"label": "x" * 5_000_000})))
    assert [member.name for member in read_manifest(writer.chunks(HEADER))[1]] == [longest]
    writer.close()


def test_a_folder_in_which_nothing_can_be_kept_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(UpkeepError, match="No such file or directory"):
        ManifestWriter(str(tmp_path / "absent"))


def test_the_line_of_a_member_alone() -> None:
    assert parse_member(member_line(MEMBERS[1]), 2) == MEMBERS[1]
    assert sidecar_path("/b/app.tar.zst") == "/b/app.tar.zst.manifest.json"
