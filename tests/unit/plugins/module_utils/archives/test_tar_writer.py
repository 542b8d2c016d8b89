"""The headers of tar archives that are written: Python's tarfile and GNU tar read what was meant, at every limit of ustar."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.archives import tar_writer as tar

MEANT = {
    "name": b"files/opt/app/main.js", "kind": tar.FILE, "size": 0, "mode": 0o644, "uid": 1000, "gid": 1001, "user": "app",
    "group": "web", "mtime": 1_700_000_000, "target": b"",
}
KINDS = {tar.FILE: tarfile.REGTYPE, tar.DIRECTORY: tarfile.DIRTYPE, tar.SYMBOLIC_LINK: tarfile.SYMTYPE, tar.HARD_LINK: tarfile.LNKTYPE}

CASES = [
    {},
    {"name": b"a" * 100},
    {"name": b"a" * 101},
    {"name": b"d" * 155 + b"/" + b"f" * 100},
    {"name": b"d" * 156 + b"/" + b"f" * 100},
    {"name": b"d" * 155 + b"/" + b"f" * 101},
    {"name": b"/".join([b"folder"] * 36)},
    {"name": b"/".join([b"folder"] * 37)},
    {"name": b"/".join([b"folder"] * 700)},
    {"name": "caf\u00e9 \u20ac".encode()},
    {"name": b"not utf-8 \xff\xfe"},
    {"name": b"\xff" * 90 + b"/" + b"\xfe" * 100},
    {"name": b"\xff" * 300},
    {"name": b"a name\nof two lines\x1b[31m"},
    {"name": b"folder", "kind": tar.DIRECTORY, "mode": 0o1777},
    {"name": b"f" * 99, "kind": tar.DIRECTORY},
    {"name": b"f" * 100, "kind": tar.DIRECTORY},
    {"name": b"p" * 120 + b"/" + b"f" * 99, "kind": tar.DIRECTORY},
    {"name": b"d" * 200 + b"/" + b"f" * 99, "kind": tar.DIRECTORY},
    {"kind": tar.SYMBOLIC_LINK, "target": b"../elsewhere"},
    {"kind": tar.SYMBOLIC_LINK, "target": b"t" * 100},
    {"kind": tar.SYMBOLIC_LINK, "target": b"t" * 101},
    {"kind": tar.SYMBOLIC_LINK, "target": "\u00fcber".encode()},
    {"kind": tar.SYMBOLIC_LINK, "target": b"\xff" * 10},
    {"kind": tar.SYMBOLIC_LINK, "target": b"\xff" * 4000},
    {"kind": tar.HARD_LINK, "target": b"files/first"},
    {"kind": tar.HARD_LINK, "target": b"files/" + b"x" * 2000},
    {"size": 0o77777777777},
    {"size": 0o77777777777 + 1},
    {"size": 2**40},
    {"size": 2**62},
    {"mode": 0o7777},
    {"mode": 0},
    {"uid": 0o7777777, "gid": 0o7777777},
    {"uid": 0o7777777 + 1},
    {"gid": 2**32 - 2, "uid": 2**32 - 2},
    {"user": "u" * 31, "group": "g" * 31},
    {"user": "u" * 32, "group": "g" * 32},
    {"user": "", "group": ""},
    {"user": "j\u00f6rg"},
    {"mtime": 0},
    {"mtime": -1},
    {"mtime": -(2**40)},
    {"mtime": 0o77777777777},
    {"mtime": 0o77777777777 + 1},
]


@pytest.mark.parametrize("changes", CASES)
def test_tarfile_reads_what_was_meant(changes: dict[str, object]) -> None:
    meant = {**MEANT, **changes}
    data = tar.header(**meant)  # type: ignore[arg-type]
    assert len(data) % tar.BLOCK == 0
    # The contents of a member of four EiB are not at hand: tarfile is asked for the header alone.
    with tarfile.open(fileobj=io.BytesIO(data + tar.end_of_archive(len(data))), encoding="utf-8") as archive:
        found = archive.next() if not meant["size"] else archive.firstmember
    assert found is not None
    assert found.name.encode("utf-8", "surrogateescape") == meant["name"]
    assert found.linkname.encode("utf-8", "surrogateescape") == meant["target"]
    assert found.type == KINDS[meant["kind"]]  # type: ignore[index]
    called = {"size": "size", "mode": "mode", "uid": "uid", "gid": "gid", "user": "uname", "group": "gname", "mtime": "mtime"}
    shown = {key: getattr(found, name) for key, name in called.items()}
    assert shown == {key: meant[key] for key in shown}


@pytest.mark.parametrize("changes", [case for case in CASES if case.get("size", 0) == 0])
def test_gnu_tar_reads_the_names(changes: dict[str, object], tmp_path: Path) -> None:
    meant = {**MEANT, **changes}
    data = tar.header(**meant)  # type: ignore[arg-type]
    path = tmp_path / "a.tar"
    path.write_bytes(data + tar.end_of_archive(len(data)))
    listed = subprocess.run(
        ["tar", "-tf", path, "--quoting-style=literal", "--show-stored-names"], check=True, stdout=subprocess.PIPE,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    ).stdout
    name = meant["name"]
    assert isinstance(name, bytes)
    assert listed == name + (b"/" if meant["kind"] == tar.DIRECTORY else b"") + b"\n"


def test_pax_headers_only_where_they_are_needed() -> None:
    short = [{}, {"name": b"a" * 100}, {"name": b"d" * 155 + b"/" + b"f" * 100}, {"name": b"\xff"}, {"uid": 0o7777777}, {"mtime": 0}]
    assert [len(tar.header(**{**MEANT, **case})) for case in short] == [tar.BLOCK] * len(short)  # type: ignore[arg-type]
    long = [{"name": b"a" * 101}, {"name": "\u00e9".encode()}, {"size": 2**33}, {"uid": 2**21}, {"mtime": -1}, {"user": "u" * 32}]
    assert [len(tar.header(**{**MEANT, **case})) for case in long] == [3 * tar.BLOCK] * len(long)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", range(85, 102))
def test_the_length_of_a_record_counts_its_own_digits(length: int) -> None:
    name = ("\u00e9" + "x" * length).encode()
    data = tar.header(**{**MEANT, "name": name})  # type: ignore[arg-type]
    record = data[tar.BLOCK : 2 * tar.BLOCK].rstrip(b"\0")
    assert int(record.split(b" ")[0]) == len(record)


@pytest.mark.parametrize("changes", [{"name": b"a\0b"}, {"target": b"\0"}, {"user": "a\0"}, {"size": -1}, {"uid": -1}, {"mode": 0o10000}])
def test_what_no_archive_can_say_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="cannot"):
        tar.header(**{**MEANT, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("position", [0, 512, 10240, 10240 - 512, 10240 - 1024, 512 * 77])
def test_an_archive_ends_with_a_whole_record(position: int) -> None:
    end = tar.end_of_archive(position)
    assert not any(end) and len(end) >= 1024 and (position + len(end)) % 10240 == 0 and len(end) < 1024 + 10240
    assert (len(tar.padding(position + 1)) + position + 1) % 512 == 0


def test_bytes_that_are_not_ascii_are_summed_right() -> None:
    # The quick way to the checksum fits ASCII only.
    for name in (b"\x7f" * 100, b"\xff" * 100, b"\x80"):
        block = tar.header(**{**MEANT, "name": name})[:512]  # type: ignore[arg-type]
        assert int(block[148:154], 8) == sum(block[:148]) + 8 * 32 + sum(block[156:])
