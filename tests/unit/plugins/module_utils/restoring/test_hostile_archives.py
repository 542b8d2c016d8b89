"""Archives that want to write elsewhere, or too much: refused by name, with nothing written, by our own checks."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.restoring.restore_samples import (
    directory,
    link,
    looks,
    member,
    restore,
    staging_left,
    tree,
    write_tar,
)

HARD = tarfile.LNKTYPE
HOSTILE: dict[str, tuple[list[Any], str]] = {
    "absolute name": ([member("/etc/passwd", b"x")], "/etc/passwd has a name that is absolute"),
    "name upward": ([member("a/../../b", b"x")], "a/../../b has a name that leads upward by .."),
    "only upward": ([member("..", kind=tarfile.DIRTYPE)], ".. has a name that leads upward by .."),
    "no name": ([member("", b"x")], "has a name that is empty"),
    "long part": ([member("a" * 300, b"x")], "is longer than any file system takes"),
    "deep": ([member("d/" * 300 + "f", b"x")], "has more than 200 levels"),
    "not UTF-8": ([member("caf\udce9", b"x")], "caf\\xe9 has a name that is not UTF-8"),
    "absolute link": ([link("a", "/etc/passwd")], "a is a symbolic link that leaves the target, to /etc/passwd"),
    "link upward": ([directory("d"), link("d/a", "../../x")], "d/a is a symbolic link that leaves the target"),
    "link upward by another link": (
        [directory("d"), directory("d/e"), link("d/e/up", "../.."), link("d/e/out", "up/../../x")],
        "d/e/out is a symbolic link that leaves",
    ),
    "empty link": ([link("a", "")], "is a symbolic link to a path that is none"),
    "file through a link": (
        [link("a", "b"), member("a/x", b"x")], "a is a symbolic link, and a/x would be written through it",
    ),
    "link in place of a folder": (
        [member("a/x", b"x"), link("a", "b")], "a is a symbolic link, and a/x would be written through it",
    ),
    "folder and link": ([directory("a"), link("a", "b")], "a is in it twice"),
    "file below a file": ([member("a", b"x"), member("a/b", b"x")], "a is a file, and a/b would be written through it"),
    "hard link outside": ([link("a", "/etc/passwd", HARD)], "a is a hard link to a name that is absolute"),
    "hard link upward": ([link("a", "../x", HARD)], "a is a hard link to a name that leads upward"),
    "hard link to nothing": ([link("a", "b", HARD)], "a is a hard link to b, which is no file in it"),
    "hard link to a folder": ([directory("b"), link("a", "b", HARD)], "a is a hard link to b, which is no file in it"),
    "character device": ([member("a", kind=tarfile.CHRTYPE)], "a is a character device"),
    "block device": ([member("a", kind=tarfile.BLKTYPE)], "a is a block device"),
    "pipe": ([member("a", kind=tarfile.FIFOTYPE)], "a is a pipe"),
    "unknown kind": ([member("a", kind=b"Z")], "a is of a kind that is not known here"),
    "set-user-ID": ([member("a", b"x", mode=0o4755)], "a runs with the rights of its owner or group (mode 4755)"),
    "set-group-ID": ([member("a", b"x", mode=0o2755)], "(mode 2755)"),
    "set-group-ID folder": ([directory("a", 0o2755)], "(mode 2755)"),
    "twice": ([member("a", b"x"), member("b", b"x"), member("a", b"y")], "a is in it twice"),
    "twice in other words": ([member("d/a", b"x"), member("./d//a", b"y")], "./d//a is in it twice"),
    "folder twice": ([directory("a"), directory("b"), directory("./a/")], "./a is in it twice"),
}


@pytest.fixture
def live(tmp_path: Path) -> Path:
    return tree(tmp_path / "opt" / "app", {"a.txt": "live", "d/b.txt": "live"})


def refused(tmp_path: Path, live: Path, path: Path, **options: Any) -> str:
    """Restore an archive that must be refused; return what was said."""
    before = looks(tmp_path / "opt")
    with pytest.raises(UpkeepError) as caught:
        restore(tmp_path / "state", path=str(path), target=[str(live)], **options)
    assert looks(tmp_path / "opt") == before, "something was written"
    assert not list((tmp_path / "state" / "restores").glob("*")) if (tmp_path / "state" / "restores").exists() else True
    assert "nothing was changed" in caught.value.message or "unchanged" in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_members_are_refused_by_name(name: str, form: int, tmp_path: Path, live: Path) -> None:
    members, said = HOSTILE[name]
    innocent = [member("innocent.txt", b"first"), *members, member("last.txt", b"last")]
    path = write_tar(tmp_path / "x.tar.gz", innocent, form)
    assert said in refused(tmp_path, live, path)


def test_what_is_refused_may_be_accepted_on_purpose(tmp_path: Path, live: Path) -> None:
    members = [link("out", "/etc/hosts"), member("suid", b"x", mode=0o4755), member("caf\udce9", b"x")]
    path = write_tar(tmp_path / "x.tar", members)
    restore(tmp_path / "state", path=str(path), target=[str(live)], accept=["outside_links", "special_bits", "other_names"])
    assert os.readlink(live / "out") == "/etc/hosts"
    assert (live / "suid").stat().st_mode & 0o7777 == 0o4755
    assert sorted(os.listdir(os.fsencode(live))) == [b"caf\xe9", b"out", b"suid"]


def test_links_that_stay_inside_are_restored(tmp_path: Path, live: Path) -> None:
    members = [directory("d"), member("f", b"x"), link("d/up", "../f"), link("here", "./d/up"), link("whole", f"{live}/f"),
               link("self", "."), link("loop", "loop"), link("dangling", "not/there")]
    path = write_tar(tmp_path / "x.tar", members)
    restore(tmp_path / "state", path=str(path), target=[str(live)])
    assert (live / "d" / "up").read_bytes() == (live / "whole").read_bytes() == b"x"


def test_a_million_empty_members_are_too_many(tmp_path: Path, live: Path) -> None:
    """Here ten thousand, with a bound to fit; the fault tests take a million."""
    path = write_tar(tmp_path / "x.tar.gz", (member(f"{number}") for number in range(10_000)))
    said = refused(tmp_path, live, path, max_members=9_999)
    assert "it has more than 9999 members" in said or "more than 9999 members" in said


def test_ten_gibibytes_of_zeros_are_refused_by_the_size_that_is_promised(tmp_path: Path, live: Path) -> None:
    """Only the header says it: nothing of it is unpacked."""
    info, _data = member("zeros.bin")
    info.size = 10 * 1024**3
    path = tmp_path / "zeros.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT)))
    said = refused(tmp_path, live, path)
    assert "zeros.bin has 10737418240 bytes; with it the archive unpacks to more than 200 times its size" in said


def test_zeros_that_no_header_promises_end_at_the_ratio(tmp_path: Path, live: Path) -> None:
    with gzip.open(tmp_path / "z.tar.gz", "wb", 1) as stream:
        stream.write(write_tar(tmp_path / "z.tar", [member("a", b"x")]).read_bytes()[:1024])
        for _part in range(40):
            stream.write(bytes(8 * 1024**2))
    assert "unpacks to more than" in refused(tmp_path, live, tmp_path / "z.tar.gz", max_ratio=100)


def zip_with(path: Path, name: str, *, mode: int = 0o100644, data: bytes = b"x", twice: bool = False) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("innocent.txt", b"first")
        for number in range(1 + twice):
            info = zipfile.ZipInfo(f"{number}" * len(name) if number else name, (2026, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, mode << 16
            archive.writestr(info, data)
    if twice:  # zipfile would warn
        path.write_bytes(path.read_bytes().replace(b"1" * len(name), name.encode()))
    return path


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("../x", {}, "../x has a name that leads upward"),
        ("/etc/x", {}, "/etc/x has a name that is absolute"),
        ("link", {"mode": 0o120777, "data": b"/etc/passwd"}, "link is a symbolic link that leaves the target"),
        ("pipe", {"mode": 0o010644}, "pipe is a device, a pipe or a socket"),
        ("suid", {"mode": 0o104755}, "suid runs with the rights of its owner or group"),
        ("again", {"twice": True}, "again is in it twice"),
    ],
)
def test_hostile_zip_archives(name: str, options: dict[str, Any], said: str, tmp_path: Path, live: Path) -> None:
    assert said in refused(tmp_path, live, zip_with(tmp_path / "x.zip", name, **options))


def test_hostile_archives_inside(tmp_path: Path, live: Path) -> None:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        archive.addfile(*[(info, io.BytesIO(data)) for info, data in [member("../x", b"x")]][0])
    path = write_tar(tmp_path / "x.tar.gz", [member("b/application.tar.gz", inner.getvalue())])
    said = refused(tmp_path, live, path, inside="*/application.tar.gz")
    assert "b/application.tar.gz/../x has a name that leads upward" in said


def test_names_in_messages_are_printable(tmp_path: Path, live: Path) -> None:
    path = write_tar(tmp_path / "x.tar", [member("../\x1b[31m\n\u202e", b"x")])
    said = refused(tmp_path, live, path)
    assert said.isprintable() and "\\x1b" in said


def test_a_staging_directory_is_private(tmp_path: Path, live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.archive_source import ArchiveSource

    modes = []
    extract = ArchiveSource.extract

    def watch(self: ArchiveSource, *arguments: Any, **keywords: Any) -> Any:
        done = extract(self, *arguments, **keywords)
        modes.extend((live.parent / name).stat().st_mode & 0o7777 for name in staging_left(live.parent))
        return done

    monkeypatch.setattr(ArchiveSource, "extract", watch)
    restore(tmp_path / "state", path=str(write_tar(tmp_path / "x.tar", [member("a", b"x")])), target=[str(live)])
    assert modes == [0o700]
