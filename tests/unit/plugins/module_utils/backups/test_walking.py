"""Walking the sources of a backup: everything once, nothing silently left out, and no link followed that was swapped in."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import steady_reading, walking
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.excluding import Exclusions
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.hard_links import HardLinks
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.left_out import LeftOut
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.sources import Root, read_sources
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.steady_reading import LargeFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.walking import Found, TreeWalk
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

NOW = datetime.now(timezone.utc)


def grow(root: Path) -> Path:
    """Make a small tree whose files were changed long ago."""
    for path, text in {"app/main.js": "1", "app/lib/a.js": "22", "app/node_modules/x/index.js": "333", "app/.env": "K=V"}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "app/current").symlink_to("lib")
    return root / "app"


def source(*paths: Path | str, name: str = "app", **options: Any) -> dict[str, Any]:
    return {"name": name, "paths": [str(path) for path in paths], **options}


def walked(*sources: dict[str, Any], read: bool = True, destination: tuple[int, int] | None = None) -> tuple[list[Found], LeftOut]:
    left_out = LeftOut()
    return list(TreeWalk(read_sources(sources, NOW), destination, left_out, read=read)), left_out


def names(found: list[Found], below: Path) -> list[str]:
    start = f"files{below}"
    assert all(one.name.startswith(start) for one in found)
    return [one.name[len(start):].lstrip("/") for one in found]


@pytest.mark.parametrize("read", [True, False])
def test_a_folder_comes_before_what_is_in_it(tmp_path: Path, read: bool) -> None:
    app = grow(tmp_path)
    found, left_out = walked(source(app), read=read)
    listed = names(found, app)
    assert listed[0] == "" and sorted(listed) == [
        "", ".env", "current", "lib", "lib/a.js", "main.js", "node_modules", "node_modules/x", "node_modules/x/index.js",
    ]
    assert all(not name or os.path.dirname(name) in listed[: listed.index(name)] for name in listed)
    by_name = dict(zip(listed, found))
    assert (by_name["current"].type, by_name["current"].target) == ("symlink", "lib")
    assert by_name["lib/a.js"].contents == (b"22" if read else None)
    assert by_name["lib"].type == "directory" and by_name["lib"].source == "app"
    assert not left_out.excluded.rows and not left_out.skipped.rows


def test_what_is_left_out_is_listed_once_at_its_top(tmp_path: Path) -> None:
    app = grow(tmp_path)
    found, left_out = walked(source(app, exclude=["node_modules", "lib/*.js"]))
    assert sorted(names(found, app)) == ["", ".env", "current", "lib", "main.js"]
    assert sorted((row["path"], row["pattern"]) for row in left_out.excluded.rows) == [
        (f"{app}/lib/a.js", "lib/*.js"), (f"{app}/node_modules", "node_modules"),
    ]


def test_no_member_twice_and_the_inner_source_wins(tmp_path: Path) -> None:
    app = grow(tmp_path)
    found, _left_out = walked(
        source(app / "lib", name="inner", exclude=["nothing"]), source(app, app, f"{app}/m*", name="outer"),
        source(app / "lib/a.js", name="one"),
    )
    listed = names(found, app)
    assert len(listed) == len(set(listed)) == 9
    assert {name: one.source for name, one in zip(listed, found)}["lib"] == "inner"
    assert {name: one.source for name, one in zip(listed, found)}["lib/a.js"] == "one"
    assert listed.index("") == 0 and listed.index("lib") < listed.index("lib/a.js")


def test_a_source_below_what_another_one_leaves_out_is_not_left_out(tmp_path: Path) -> None:
    app = grow(tmp_path)
    found, left_out = walked(source(app, name="outer", exclude=["node_modules"]), source(app / "node_modules", name="inner"))
    assert "node_modules/x/index.js" in names(found, app)
    assert not left_out.excluded.rows


def test_the_folder_of_backups_is_no_part_of_them(tmp_path: Path) -> None:
    app = grow(tmp_path)
    status = os.stat(app / "lib")
    found, left_out = walked(source(app), destination=(status.st_dev, status.st_ino))
    assert "lib" not in names(found, app)
    assert left_out.excluded.rows == [{"path": f"{app}/lib", "pattern": "destination"}]


def test_sockets_and_pipes_are_skipped_and_listed(tmp_path: Path) -> None:
    app = grow(tmp_path)
    os.mkfifo(app / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(app)  # the path of a socket has at most 107 bytes
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
        found, left_out = walked(source(app))
    assert not {"pipe", "socket"} & set(names(found, app))
    assert left_out.skipped.rows == [
        {"path": f"{app}/pipe", "reason": "a pipe"}, {"path": f"{app}/socket", "reason": "a socket"},
    ]


@pytest.mark.parametrize("read", [True, False])
def test_old_files_are_left_out_when_asked(tmp_path: Path, read: bool) -> None:
    app = grow(tmp_path)
    os.utime(app / "lib/a.js", (NOW.timestamp() - 8 * 86_400,) * 2)
    os.utime(app / "main.js", (NOW.timestamp() - 6 * 86_400,) * 2)
    os.utime(app / "lib", (0, 0))
    found, left_out = walked(source(app), source(app / "lib", name="logs", max_age_days=7.0), read=read)
    assert {"lib", "main.js"} < set(names(found, app)) and "lib/a.js" not in names(found, app)
    assert left_out.excluded.rows == [{"path": f"{app}/lib/a.js", "pattern": "older than 7 days"}]


def test_names_of_any_bytes(tmp_path: Path) -> None:
    hostile = [b"not utf-8 \xff", b"two\nlines", "\u00e9\u20ac".encode(), b"\x1b[2J", b"-rf", b"a" * 255, b'"quoted"', b"\\x"]
    for name in hostile:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    found, _left_out = walked(source(tmp_path))
    held = {one.name.encode("utf-8", "surrogateescape").rpartition(b"/")[2]: one.contents for one in found[1:]}
    assert held == {name: name for name in hostile}


def test_a_path_longer_than_the_system_takes_at_once(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    depth = 60
    for _level in range(depth):
        os.mkdir("d" * 100, dir_fd=folder)
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    found, _left_out = walked(source(tmp_path))
    assert len(found) == depth + 2 and len(found[-1].name) > 4096


def test_a_file_with_several_names_is_read_once(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        if name == "a":
            (tmp_path / name).write_text("shared")
        else:
            os.link(tmp_path / "a", tmp_path / name)
    found, _left_out = walked(source(tmp_path))
    assert [(one.type, one.target.rpartition("/")[2]) for one in found[1:]] == [("file", ""), ("hardlink", "a"), ("hardlink", "a")]


def test_links_of_a_file_that_changed_meanwhile_are_not_its_names(tmp_path: Path) -> None:
    links = HardLinks()
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("old")
    os.link(first, second)
    assert links.first_name(first.stat(), "a") is None
    first.write_text("newer")
    assert links.first_name(second.stat(), "b") is None
    assert links.first_name(second.stat(), "c") == "b"


def test_hard_links_stop_being_remembered_when_memory_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.upkeep.runbook.plugins.module_utils.backups.hard_links.MOST_KEPT_BYTES", 1000)
    links = HardLinks()
    for number in range(10):
        (tmp_path / f"{number}").write_text("x")
        os.link(tmp_path / f"{number}", tmp_path / f"{number}-twin")
        assert links.first_name((tmp_path / f"{number}").stat(), f"{number}") is None
    assert [links.first_name((tmp_path / f"{number}").stat(), "twin") for number in range(10)].count(None) == 8


def test_what_cannot_be_read_ends_the_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = grow(tmp_path)
    system_open = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "a.js":
            raise PermissionError(errno.EACCES, "Permission denied")
        return system_open(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UpkeepError, match=rf"cannot read {app}/lib/a.js: Permission denied; a backup without it would not be whole"):
        walked(source(app))


@pytest.mark.parametrize("name", ["a.js", "lib"])
def test_what_vanishes_meanwhile_is_listed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = grow(tmp_path)
    system_open = os.open

    def vanish(path: Any, *arguments: Any, **options: Any) -> int:
        if path == name:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return system_open(path, *arguments, **options)

    monkeypatch.setattr(os, "open", vanish)
    found, left_out = walked(source(app))
    assert "lib/a.js" not in names(found, app)
    assert [(os.path.basename(row["path"]), row["reason"]) for row in left_out.skipped.rows] == [(name, walking.VANISHED)]


def test_a_link_that_is_swapped_in_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file becomes a link to a secret, and a folder one to another folder, between looking and opening."""
    app = grow(tmp_path)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.js").write_text("secret")
    system_open = os.open

    def swap(path: Any, *arguments: Any, **options: Any) -> int:
        for name, target in (("main.js", secret / "a.js"), ("lib", secret)):
            if path == name and not (app / name).is_symlink():
                (app / name).rename(tmp_path / f"old-{name}")
                (app / name).symlink_to(target)
        return system_open(path, *arguments, **options)

    monkeypatch.setattr(os, "open", swap)
    found, _left_out = walked(source(app))
    held = {os.path.basename(one.name): (one.type, one.target) for one in found}
    assert held["main.js"] == ("symlink", str(secret / "a.js")) and held["lib"] == ("symlink", str(secret))
    assert all(one.contents != b"secret" for one in found)


def test_a_pipe_that_is_swapped_in_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = grow(tmp_path)
    system_open = os.open

    def swap(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "main.js" and (app / path).is_file():
            (app / path).unlink()
            os.mkfifo(app / path)
        return system_open(path, *arguments, **options)

    monkeypatch.setattr(os, "open", swap)
    _found, left_out = walked(source(app))
    assert left_out.skipped.rows == [{"path": f"{app}/main.js", "reason": "a pipe"}]


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """A writer exchanges both halves all the time for a while; what is read has two halves of one time."""
    path = tmp_path / "state"
    path.write_bytes(b"0" * 200_000)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number = (number + 1) % 10
            with open(path, "r+b", buffering=0) as stream:
                stream.write(b"%d" % number * 100_000)
                time.sleep(0.001)
                stream.write(b"%d" % number * 100_000)

    writer = threading.Thread(target=write)
    writer.start()
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    try:
        found, _left_out = walked(source(path))
    finally:
        stop.set()
        writer.join()
    contents = found[0].contents
    assert isinstance(contents, bytes) and len(set(contents)) == 1 and not found[0].torn


def test_a_file_that_never_rests_is_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady_reading, "_PAUSE_SECONDS", 0.0)
    path = tmp_path / "state"
    path.write_text("first")
    system_pread = os.pread

    def change(descriptor: int, length: int, offset: int) -> bytes:
        data = system_pread(descriptor, length, offset)
        if offset == 0:
            path.write_text(data.decode() + "x")
        return data

    monkeypatch.setattr(os, "pread", change)
    found, _left_out = walked(source(path))
    assert found[0].torn and isinstance(found[0].contents, bytes)


@pytest.mark.parametrize(("change", "torn"), [("none", False), ("grow", True), ("shrink", True), ("touch", True)])
def test_a_large_file_has_the_size_that_was_announced(change: str, torn: bool, tmp_path: Path) -> None:
    path = tmp_path / "large"
    size = steady_reading.SMALL_BYTES + 12_345
    with open(path, "wb") as stream:
        stream.truncate(size)
    contents = walked(source(path))[0][0].contents
    assert isinstance(contents, LargeFile)
    read = 0
    for chunk in contents.chunks():
        if not read:
            if change == "grow":
                os.truncate(path, size + 1)
            elif change == "shrink":
                os.truncate(path, 5_000_000)
            elif change == "touch":
                os.utime(path)
        read += len(chunk)
    contents.close()
    contents.close()
    assert (read, contents.size, contents.torn) == (size, size, torn)


def test_a_folder_of_many_names_is_walked_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "_NAMES_AT_ONCE", 7)
    for number in range(50):
        (tmp_path / f"{number}").touch()
    assert sorted(names(walked(source(tmp_path))[0], tmp_path)) == sorted(["", *map(str, range(50))])


def test_the_lists_of_what_is_left_out_are_bounded() -> None:
    left_out = LeftOut()
    for number in range(30_000):
        left_out.exclude(f"/a/{'x' * 100}/{number}", "x")
    assert len(left_out.excluded) == 30_000 and 0 < left_out.excluded.more < 30_000


def test_another_file_system_is_left_out_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = grow(tmp_path)
    mounted = os.stat(app / "lib").st_ino
    system_fstat = os.fstat

    class Moved:
        def __init__(self, status: os.stat_result) -> None:
            self._status = status

        def __getattr__(self, name: str) -> Any:
            return self._status.st_dev + 1 if name == "st_dev" else getattr(self._status, name)

    def fstat(descriptor: int) -> Any:
        status = system_fstat(descriptor)
        return Moved(status) if status.st_ino == mounted else status

    monkeypatch.setattr(os, "fstat", fstat)
    found, left_out = walked(source(app))
    assert "lib" in names(found, app) and "lib/a.js" not in names(found, app)
    assert left_out.skipped.rows == [{"path": f"{app}/lib", "reason": walking.OTHER_FILE_SYSTEM}]
    found, left_out = walked(source(app, one_file_system=False))
    assert "lib/a.js" in names(found, app) and not left_out.skipped.rows


def test_descriptors_are_closed_when_a_walk_is_given_up(tmp_path: Path) -> None:
    app = grow(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    walk = iter(TreeWalk([Root(str(app), "app", Exclusions([]), True)], None, LeftOut(), read=True))
    for _step in range(4):
        next(walk)
    walk.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) == before
