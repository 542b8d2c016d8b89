"""A backup is restored over a tree and back, whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import Member
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring import kernel_calls
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.backups.written_backups import (
    HEADER,
    Backup,
    file,
    other,
    write_backup,
)
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

MINE = {"uid": os.geteuid(), "gid": os.getegid(), "user": "", "group": ""}
Call = Callable[..., dict[str, Any]]


class Place:
    """A live tree, a backup of what it once was, and a state directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.opt = root / "opt"
        self.app = self.opt / "app"
        self.state = root / "state"
        tree(self.app, {"package.json": "live", "lib/old.js": "live", "node_modules/x/i.js": "module", "new.txt": "live"})
        self.app.chmod(0o750)

    def name(self, relative: str = "") -> str:
        return f"files{self.app}" + (f"/{relative}" if relative else "")

    def held(self) -> list[tuple[Member, bytes]]:
        keys: dict[str, Any] = MINE
        return [
            (other(self.name(), "directory")[0]._replace(mode=0o755, **keys), b""),
            file(self.name("package.json"), b"saved", **keys),
            (other(self.name("lib"), "directory")[0]._replace(mode=0o2775, **keys), b""),
            file(self.name("lib/server.js"), b"saved server\n" * 1000, mode=0o755, **keys),
            (other(self.name("lib/hard.js"), "hardlink", self.name("lib/server.js"))[0]._replace(mode=0o755, **keys), b""),
            (other(self.name("current"), "symlink", "/srv/elsewhere")[0]._replace(**keys), b""),
            file(self.name("caf\udce9"), b"", **keys),
        ]

    def backup(self, held: Any = None, kind: str = "tar.gz", **keys: Any) -> Backup:
        folder = self.root / "backups"
        folder.mkdir(exist_ok=True)
        header = {
            "sources": [{"name": "application", "paths": [str(self.app)], "exclude": ["node_modules"]}],
            "excluded": [{"path": f"{self.app}/node_modules", "pattern": "node_modules"}],
        }
        return write_backup(folder, kind, self.held() if held is None else held, **{**header, **keys})

    def restore(self, **options: Any) -> dict[str, Any]:
        return restore(self.state, **options)

    def looks(self) -> dict[str, Any]:
        return looks(self.opt, but=[".", *staging_left(self.opt)])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path.resolve())


def check_restored(place: Place) -> None:
    found = looks(place.app)
    assert sorted(found) == [
        ".", "caf\\xe9", "current", "lib", "lib/hard.js", "lib/server.js", "node_modules", "node_modules/x", "node_modules/x/i.js",
        "package.json",
    ]
    assert found["package.json"] == ("0o100644", MINE["uid"], MINE["gid"], 1_790_000_000_123_456_789, b"saved")
    assert found["current"][-1] == b"/srv/elsewhere"
    assert found["lib"][0] == "0o42775" and found["lib"][3] == found["."][3] == 1_790_000_000_000_000_000
    assert (place.app / "lib" / "hard.js").stat().st_ino == (place.app / "lib" / "server.js").stat().st_ino
    assert (place.app / "node_modules" / "x" / "i.js").read_text() == "module"


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "two renames"])
@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.zst"])
def test_over_a_tree_and_back(kind: str, exchanges: bool, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    if not exchanges:
        monkeypatch.setattr(kernel_calls, "exchange", lambda *_arguments: False)
    before = looks(place.app)
    path = place.backup(kind=kind).path
    answer = place.restore(path=str(path))
    check_restored(place)
    assert answer["changed"] and answer["status"] == "ok" and answer["manifest"]["backup_id"] == HEADER["backup_id"]
    row = answer["restored"][0]
    assert (row["target"], row["members"], row["bytes"], row["carried_over"]) == (str(place.app), 7, 13_005, 3)
    assert looks(Path(row["previous"]))["package.json"][-1] == b"live"
    assert "7 members" in answer["checks"][0]["summary"] and answer["checks"][0]["check"] == "backup.restore"

    back = place.restore(state="previous", id=answer["id"])
    assert back["changed"] and looks(place.app) == before
    assert not place.restore(state="previous", id=answer["id"])["changed"]
    assert looks(place.app) == before
    assert len(staging_left(place.opt)) == 1


def test_onto_a_bare_host_and_away_again(place: Place) -> None:
    path = place.backup().path
    place.app.rename(place.root / "gone")
    os.rmdir(place.opt)
    answer = place.restore(path=str(path))
    assert answer["restored"][0]["previous"] is None and (place.app / "package.json").read_text() == "saved"
    assert "there was none before" in answer["checks"][0]["summary"]
    place.restore(state="previous")
    assert not place.app.exists()


@pytest.mark.parametrize("sidecar", [True, False])
def test_the_manifest_inside_does_where_the_one_beside_is_gone(sidecar: bool, place: Place) -> None:
    backup = place.backup()
    if not sidecar:
        backup.sidecar.unlink()
    place.restore(path=str(backup.path), manifest="required")
    check_restored(place)


def damaged(place: Place, backup: Backup, how: str) -> Path:
    """Damage a backup in one way; return the path to restore."""
    held = place.held()
    if how == "other contents":
        held[3] = (held[3][0], held[3][1].replace(b"saved", b"wrong"))
    elif how == "one too few":
        del held[5]
    elif how == "one too many":
        held.append(file(place.name("more"), b"x", **MINE))
    elif how == "other mode":
        held[3] = (held[3][0]._replace(mode=0o777), held[3][1])
    elif how == "other owner":
        held[3] = (held[3][0]._replace(uid=4321), held[3][1])
    elif how == "other link":
        held[5] = (held[5][0]._replace(target="/etc"), b"")
    elif how == "other order":
        held[5], held[6] = held[6], held[5]
    elif how == "other time":
        held[3] = (held[3][0]._replace(mtime_ns=7 * 10**9), held[3][1])
    return place.backup(held, listed=place.held(), name="damaged").path


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("other contents", "lib/server.js has other contents than when it was packed"),
        ("one too few", "is in the archive where its manifest has"),
        ("one too many", "more is in the archive and not in its manifest"),
        ("other mode", "lib/server.js is not what the manifest says: mode 0777, not 0755"),
        ("other owner", "lib/server.js is not what the manifest says: owner 4321, not"),
        ("other link", "current is not what the manifest says: link target /etc, not /srv/elsewhere"),
        ("other order", "is in the archive where its manifest has"),
        ("other time", "lib/server.js is not what the manifest says: another time of change"),
    ],
)
def test_an_archive_that_is_not_what_its_manifest_says_changes_nothing(how: str, said: str, place: Place) -> None:
    before = place.looks()
    with pytest.raises(UpkeepError) as caught:
        place.restore(path=str(damaged(place, place.backup(), how)))
    assert said in caught.value.message
    assert place.looks() == before and staging_left(place.opt) == []


def test_the_last_member_may_not_be_missing(place: Place) -> None:
    backup = place.backup(place.held()[:-1], listed=place.held())
    with pytest.raises(UpkeepError, match="lacks .*caf.*, which its manifest lists"):
        place.restore(path=str(backup.path))


def test_nothing_may_stand_behind_the_manifest(place: Place) -> None:
    """Without the manifest beside it, it would be taken for an archive of another tool, and none of its hashes compared."""
    backup = place.backup(kind="tar")
    backup.sidecar.unlink()
    with tarfile.open(backup.path, "a") as archive:
        info, data = member("files/evil", b"x")
        archive.addfile(info, io.BytesIO(data))
    refuse(place, "its member files/evil stands behind manifest.json, which is the last member", path=str(backup.path))


@pytest.mark.parametrize("wrong", [b'"bakup_id"', b'"backup_id'])
def test_a_damaged_manifest_inside_does_not_let_the_hashes_go_uncompared(wrong: bytes, place: Place) -> None:
    backup = place.backup(inside=lambda data: data.replace(b'"backup_id"', wrong, 1), name="damaged")
    backup.sidecar.unlink()
    refuse(place, "has a manifest that ", path=str(backup.path), target=[str(place.app)])
    foreign = place.backup(inside=lambda _data: b'{"name": "an extension"}', name="foreign")
    foreign.sidecar.unlink()
    answer = place.restore(path=str(foreign.path), target=[str(place.app)], accept=["outside_links", "special_bits", "other_names"])
    assert answer["manifest"] is None


def test_other_contents_are_restored_on_demand_and_named(place: Place) -> None:
    answer = place.restore(path=str(damaged(place, place.backup(), "other contents")), verify="none")
    assert answer["status"] == "warning" and "lib/server.js" in answer["checks"][1]["evidence"]["files"][0]
    assert (place.app / "lib" / "server.js").read_bytes().startswith(b"wrong")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.replace(b'"bytes":', b'"bytes":1', 1), "the manifest beside it is of an archive of"),
        (lambda data: data.replace(b"20261122T014356Z-0a1b2c3d", b"20261122T014356Z-ffffffff", 1), "of another backup than the one inside"),
        (lambda data: data[:-10], "has a manifest that is cut off"),
        (lambda data: b"", "has a manifest that is empty"),
        (lambda data: data.replace(b'"schema": 1', b'"schema": 2', 1), "was written by a later version"),
    ],
)
def test_the_manifest_beside_it_is_another_one(change: Callable[[bytes], bytes], said: str, place: Place) -> None:
    backup = place.backup()
    backup.sidecar.write_bytes(change(backup.sidecar.read_bytes().replace(b'"bytes": ', b'"bytes":')))
    before = place.looks()
    with pytest.raises(UpkeepError) as caught:
        place.restore(path=str(backup.path))
    assert said in caught.value.message and place.looks() == before


@pytest.mark.parametrize("part", range(0, 10))
def test_a_truncated_archive_changes_nothing(part: int, place: Place) -> None:
    backup = place.backup()
    backup.sidecar.unlink()
    data = backup.path.read_bytes()
    backup.path.write_bytes(data[: len(data) * part // 10])
    before = place.looks()
    with pytest.raises(UpkeepError, match="nothing was changed"):
        place.restore(path=str(backup.path))
    assert place.looks() == before and staging_left(place.opt) == []


def test_a_part_is_restored_and_the_rest_stays(place: Place) -> None:
    answer = place.restore(path=str(place.backup().path), target=[str(place.app)], members=["lib"])
    found = looks(place.app)
    assert {name: row[-1] for name, row in found.items() if row[-1] is not None} == {
        "lib/hard.js": b"saved server\n" * 1000, "lib/old.js": b"live", "lib/server.js": b"saved server\n" * 1000,
        "new.txt": b"live", "node_modules/x/i.js": b"module", "package.json": b"live",
    }
    assert found["."][0] == "0o40750" and found["lib"][0] == "0o42775"
    assert answer["restored"][0]["members"] == 3
    place.restore(state="previous")
    assert not (place.app / "lib" / "server.js").exists()


def test_a_hard_link_is_no_part_without_its_file(place: Place) -> None:
    with pytest.raises(UpkeepError, match="is another name of .*server.js, which is not restored with it. Restore both"):
        place.restore(path=str(place.backup().path), target=[str(place.app)], members=["lib/hard.js"])


def test_preserve_wins_over_the_archive(place: Place) -> None:
    place.restore(path=str(place.backup().path), preserve=["lib", "new.txt", "not/there"])
    assert (place.app / "lib" / "old.js").read_text() == "live" and not (place.app / "lib" / "server.js").exists()
    assert (place.app / "new.txt").read_text() == "live" and not (place.app / "node_modules").exists()


def test_what_is_to_be_preserved_is_in_the_tree_itself(place: Place) -> None:
    """Behind a link nothing can be carried over, and it must not be left out of the new tree for that."""
    path = str(place.backup().path)
    (place.app / "lib").rename(place.root / "volume")
    (place.app / "lib").symlink_to(place.root / "volume")
    refuse(place, "preserve: lib/server.js lies behind the link lib in .*; give lib itself", path=path, preserve=["lib/server.js"])
    for wrong in (".", "./", "..", "lib/../..", "/lib"):
        refuse(place, "preserve: .* is no path below the target", path=path, preserve=[wrong])
    place.restore(path=path, preserve=["lib"])
    assert (place.app / "lib").is_symlink() and (place.root / "volume" / "old.js").exists()


def test_what_was_left_out_fills_only_gaps(place: Place) -> None:
    held = [*place.held(), file(place.name("node_modules"), b"a file now", **MINE)]
    place.restore(path=str(place.backup(held).path))
    assert (place.app / "node_modules").read_text() == "a file now"


def test_what_the_patterns_leave_out_is_carried_over_also_when_it_came_later(place: Place) -> None:
    sources = [{"name": "application", "paths": [f"{place.opt}/*"], "exclude": ["node_modules", "cache/*.tmp", "/nowhere"]}]
    tree(place.app, {"lib/deep/node_modules/y/i.js": "later", "cache/a.tmp": "later", "cache/a.txt": "gone", "lib/cache/b.tmp": "gone"})
    path = str(place.backup(sources=sources, excluded=[]).path)
    answer = place.restore(path=path, check_mode=True, diff_mode=True)
    removed = {line[2:] for line in answer["diff"][0]["prepared"].splitlines() if line.startswith("- ")}
    assert removed == {"new.txt", "lib/old.js", "cache/a.txt", "lib/cache", "lib/cache/b.tmp"}
    place.restore(path=path)
    held = {name for name, row in looks(place.app).items() if row[-1] is not None}
    assert held >= {"lib/deep/node_modules/y/i.js", "cache/a.tmp", "node_modules/x/i.js", "package.json"}
    assert not held & removed


def test_several_targets_at_once_one_of_them_a_file(place: Place) -> None:
    config, saved = place.opt / "one.conf", file(f"files{place.opt}/one.conf", b"saved", mode=0o600, **MINE)
    config.write_text("live")
    excluding = ["node_modules"]
    sources = [{"name": "application", "paths": [str(place.app)], "exclude": excluding}, {"name": "config", "paths": [str(config)]}]
    path = str(place.backup([*place.held(), saved], sources=sources).path)
    answer = place.restore(path=path)
    check_restored(place)
    assert config.read_text() == "saved" and config.stat().st_mode & 0o7777 == 0o600
    assert [row["target"] for row in answer["restored"]] == [str(place.app), str(config)]
    place.restore(state="previous", target=[str(config)])
    assert config.read_text() == "live" and (place.app / "package.json").read_text() == "live"

    (place.opt / "one.conf").write_text("second")
    with pytest.raises(UpkeepError, match="sources: x is none of the archive's: application, config"):
        place.restore(path=path, sources=["x"])


def test_sources_are_restored_alone_unless_one_lies_in_another(place: Place) -> None:
    config = place.opt / "one.conf"
    config.write_text("live")
    inner, saved = file(place.name("inner.conf"), b"x", **MINE)[0], file(f"files{config}", b"saved", **MINE)
    sources = [{"name": "application", "paths": [str(place.app)]}, {"name": "config", "paths": [str(config)]}]
    held = [*place.held(), (saved[0]._replace(source="config"), saved[1])]
    answer = place.restore(path=str(place.backup(held, sources=sources).path), sources=["config"])
    assert [row["target"] for row in answer["restored"]] == [str(config)]
    assert config.read_text() == "saved" and (place.app / "package.json").read_text() == "live"
    held = [*place.held(), (inner._replace(source="config"), b"x")]
    path = str(place.backup(held, sources=sources, name="nested").path)
    said = "inner.conf lies in a target and belongs to the source config. Give sources with config too"
    refuse(place, said, path=path, sources=["application"])
    assert place.restore(path=path, sources=["application", "config"])["status"] == "ok"


def test_when_one_target_cannot_be_exchanged_all_stay(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    config, saved = place.opt / "one.conf", file(f"files{place.opt}/one.conf", b"saved", **MINE)
    config.write_text("live")
    path = str(place.backup([*place.held(), saved]).path)
    before = place.looks()
    real = kernel_calls.exchange

    def failing(first: str, first_directory: int, second: str, second_directory: int) -> bool:
        if second == "one.conf":
            raise OSError(16, "Device or resource busy")
        return real(first, first_directory, second, second_directory)

    monkeypatch.setattr(kernel_calls, "exchange", failing)
    with pytest.raises(UpkeepError, match="one.conf cannot be exchanged with .*: Device or resource busy"):
        place.restore(path=path, target=[str(place.app), str(config)])
    assert place.looks() == before and staging_left(place.opt) == []


def test_trees_from_before_are_kept_as_many_as_asked_for(place: Place) -> None:
    path = str(place.backup().path)
    ids = [place.restore(path=path, keep_previous=2)["id"] for _number in range(4)]
    assert sorted(staging_left(place.opt)) == sorted(f".upkeep-restore-{one}" for one in ids[-2:])
    with pytest.raises(UpkeepError, match="came after .*; take that one back first"):
        place.restore(state="previous", id=ids[-2])
    with pytest.raises(UpkeepError, match="no tree from before the restore"):
        place.restore(state="previous", id=ids[0])
    place.restore(path=path, keep_previous=0)
    assert staging_left(place.opt) == []


def test_a_restore_that_was_taken_back_takes_the_place_of_no_tree_from_before(place: Place) -> None:
    path = str(place.backup().path)
    first, second = (place.restore(path=path, keep_previous=2)["id"] for _number in range(2))
    place.restore(state="previous", id=second)
    third = place.restore(path=path, keep_previous=2)["id"]
    assert sorted(staging_left(place.opt)) == sorted(f".upkeep-restore-{one}" for one in (first, third))


def test_check_mode_says_what_would_change_and_changes_nothing(place: Place) -> None:
    path = str(place.backup().path)
    before = looks(place.root)
    answer = place.restore(path=path, check_mode=True, diff_mode=True)
    assert looks(place.root) == before
    assert answer["changes"] == [{"target": str(place.app), "added": 4, "changed": 3, "removed": 2, "same": 0}]
    lines = answer["diff"][0]["prepared"].splitlines()
    assert "+ lib/server.js" in lines and "~ package.json" in lines and "- new.txt" in lines and "- lib/old.js" in lines
    assert not any("node_modules" in line for line in lines) and "+ caf\\xe9" in lines
    place.restore(path=path)
    assert place.restore(path=path, check_mode=True)["changes"][0] == {
        "target": str(place.app), "added": 0, "changed": 0, "removed": 0, "same": 7,
    }
    assert place.restore(state="previous", check_mode=True)["changed"] and (place.app / "package.json").read_text() == "saved"


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_archives_of_other_tools(suffix: str, place: Place) -> None:
    members = [directory("./"), member("./a.txt", b"saved", mode=0o640), member("./sub/b.txt", b"x"), link("./sub/c", "../a.txt")]
    path = write_tar(place.root / f"x{suffix}", members)
    answer = place.restore(path=str(path), target=[str(place.app)])
    assert sorted(looks(place.app)) == [".", "a.txt", "sub", "sub/b.txt", "sub/c"] and answer["manifest"] is None
    assert "compared with no manifest, since it has none" in answer["checks"][0]["summary"]
    assert (place.app / "a.txt").stat().st_mode & 0o7777 == 0o640
    with pytest.raises(UpkeepError, match="has no manifest of this collection. Give manifest: optional"):
        place.restore(path=str(path), target=[str(place.app)], manifest="required")
    with pytest.raises(UpkeepError, match="target: the archive has no manifest"):
        place.restore(path=str(path))


def test_zip_archives(place: Place) -> None:
    path = place.root / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("app/", b"")
        info = zipfile.ZipInfo("app/run.sh", (2026, 1, 2, 3, 4, 6))
        info.create_system, info.external_attr = 3, 0o100755 << 16
        archive.writestr(info, b"#!/bin/sh\n")
        info = zipfile.ZipInfo("app/link", (2026, 1, 2, 3, 4, 6))
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, b"run.sh")
    place.restore(path=str(path), target=[str(place.app)], **{"from": ["app"]})
    assert os.readlink(place.app / "link") == "run.sh" and (place.app / "run.sh").stat().st_mode & 0o7777 == 0o755
    assert sorted(os.listdir(place.app)) == ["link", "run.sh"]


def test_the_archives_inside_a_backup_of_the_manual(place: Place) -> None:
    def packed(members: list[Any]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for info, data in members:
                archive.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    application = packed([directory("src/"), member("src/main.js", b"saved"), member("package.json", b"saved")])
    config = packed([member("nginx.conf", b"saved config")])
    path = write_tar(place.root / "comprehensive_backup_20261122_020000.tar.gz", [
        directory("backup_20261122_020000/"), member("backup_20261122_020000/application.tar.gz", application),
        member("backup_20261122_020000/config.tar.gz", config),
    ])
    place.restore(path=str(path), target=[str(place.app)], inside="*/application.tar.gz", preserve=["node_modules"])
    assert (place.app / "src" / "main.js").read_text() == "saved" and (place.app / "node_modules" / "x" / "i.js").exists()
    assert place.app.stat().st_mode & 0o7777 == 0o750, "no member says what the target itself is like"
    place.restore(path=str(path), target=[str(place.opt / "nginx.conf")], inside="*/config.tar.gz", **{"from": ["nginx.conf"]})
    assert (place.opt / "nginx.conf").read_text() == "saved config"
    for pattern, said in (("*/none.tar.gz", "has no archive inside that fits"), ("*.tar.gz", "has more than one archive inside")):
        with pytest.raises(UpkeepError, match=said):
            place.restore(path=str(path), target=[str(place.app)], inside=pattern)


def refuse(place: Place, said: str, **options: Any) -> None:
    before = place.looks()
    with pytest.raises(UpkeepError, match=said):
        place.restore(**{"path": str(place.backup().path), "target": [str(place.app)], **options})
    assert place.looks() == before


def test_what_preflight_refuses(place: Place) -> None:
    prefix = {"from": [place.name()]}
    refuse(place, "is no absolute path", target=["opt/app"])
    refuse(place, "is no absolute path without ..", target=["/opt/../etc"])
    refuse(place, "the root of the system", target=["/"])
    refuse(place, "/proc is a mount point and cannot be exchanged", target=["/proc"], **prefix)
    refuse(place, "is a mount point below /dev|/dev is a mount point", target=["/dev"], **prefix)
    refuse(place, "lies in .*; give the outer one only", target=[str(place.app), f"{place.app}/lib"])
    refuse(place, "is given twice", target=[str(place.app)] * 2)
    refuse(place, "has no member files/srv/app; it begins with files", target=["/srv/app"])
    refuse(place, "contains .*tar.gz, which would be moved away with it", target=[str(place.root)], **prefix)
    refuse(place, "sources: only an archive with a manifest", path=str(write_tar(place.root / "x.tar", [member("a")])), sources=["a"])
    refuse(place, "has nothing of what was asked for", members=["nothing*"])
    refuse(place, "preserve: '../x' is no path below", preserve=["../x"])
    refuse(place, "members: an empty list", members=[])
    refuse(place, "from: give as many members as targets", **{"from": ["a", "b"]})
    refuse(place, "is no directory, and in the archive it is a directory", target=[f"{place.app}/package.json"], **prefix)
    refuse(place, "is a directory, and in the archive it is a file", **{"from": [place.name("package.json")]})
    refuse(place, "cannot be opened: No such file", path=f"{place.root}/none.tar")
    refuse(place, "keep_previous: -1 is not accepted", keep_previous=-1)
    (place.opt / "link").symlink_to(place.app)
    refuse(place, "is a symbolic link to .*; give the place it leads to", target=[str(place.opt / "link")], **prefix)


def test_a_link_in_the_parents_of_a_target_is_resolved(place: Place) -> None:
    (place.root / "linked").symlink_to(place.opt)
    answer = place.restore(path=str(place.backup().path), target=[f"{place.root}/linked/app"], **{"from": [place.name()]})
    assert answer["restored"][0]["target"] == str(place.app)
    assert place.restore(state="previous", target=[f"{place.root}/linked/app"])["changed"]


def test_somebody_who_replaces_the_target_keeps_it(place: Place) -> None:
    answer = place.restore(path=str(place.backup().path))
    place.app.rename(place.root / "moved")
    tree(place.app, {"mine.txt": "mine"})
    with pytest.raises(UpkeepError, match="somebody has replaced it"):
        place.restore(state="previous")
    assert (place.app / "mine.txt").read_text() == "mine" and Path(answer["restored"][0]["previous"]).is_dir()
    with pytest.raises(UpkeepError, match="somebody has replaced it"):
        place.restore(state="previous", check_mode=True)
    # It keeps no further restore from being made, and that one is taken back to what somebody has put there.
    assert place.restore(path=str(place.backup(name="again").path))["recovered"] == []
    assert place.restore(state="previous")["changed"] and (place.app / "mine.txt").read_text() == "mine"


def test_a_tree_from_before_that_was_removed_by_hand_keeps_no_restore_from_being_made(place: Place) -> None:
    answer = place.restore(path=str(place.backup().path))
    shutil.rmtree(os.path.dirname(answer["restored"][0]["previous"]))
    with pytest.raises(UpkeepError, match="is gone; .* stays as it is; nothing was changed"):
        place.restore(state="previous")
    again = place.restore(path=str(place.backup(name="again").path))
    assert again["recovered"] == [] and place.restore(state="previous")["changed"]


@pytest.mark.parametrize("exchanged", [True, False])
def test_a_target_that_is_replaced_during_the_exchange(exchanged: bool, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that writes its file anew at the wrong moment keeps what it wrote, and all other targets are put back."""
    config, saved = place.opt / "one.conf", file(f"files{place.opt}/one.conf", b"saved", **MINE)
    config.write_text("live")
    path = str(place.backup([*place.held(), saved]).path)
    before = looks(place.app)
    real = kernel_calls.exchange

    def replacing(first: str, first_directory: int, second: str, second_directory: int) -> bool:
        if second == "app":
            is_back = (place.app / "package.json").read_text() == "saved"
            real(first, first_directory, second, second_directory)
            if is_back:
                return True
            raise OSError(5, "Input/output error")
        done = real(first, first_directory, second, second_directory) if exchanged else False
        if not exchanged:
            config.rename(place.root / "elsewhere")
        (place.root / "new.conf").write_text("theirs")
        (place.root / "new.conf").rename(config)
        return done or real("missing", first_directory, second, second_directory)

    monkeypatch.setattr(kernel_calls, "exchange", replacing)
    with pytest.raises(UpkeepError, match="cannot be exchanged with"):
        place.restore(path=path, target=[str(config), str(place.app)])
    monkeypatch.undo()
    assert looks(place.app) == before and config.read_text() == "theirs"
    left = staging_left(place.opt)
    assert [(place.opt / name / "tree").read_text() for name in left] == (["live"] if exchanged else [])
    assert place.restore(path=path, target=[str(config), str(place.app)])["recovered"] == []


def test_a_restore_is_taken_back_by_its_run(place: Place) -> None:
    path = str(place.backup().path)
    place.restore(path=path, run_id="20261122T021500Z-aaaaaaaa")
    assert not place.restore(state="previous", of_run="20261122T021500Z-bbbbbbbb")["changed"]
    assert place.restore(state="previous", of_run="20261122T021500Z-aaaaaaaa")["changed"]
    assert (place.app / "package.json").read_text() == "live"
    assert not place.restore(state="previous", of_run="20261122T021500Z-aaaaaaaa")["changed"]


def test_owners_by_name_else_by_number(place: Place) -> None:
    if os.geteuid() != 0:
        pytest.fail("this test needs root, who alone can give files away")
    held = [(one._replace(uid=4321, gid=4322, user="nobody", group="no-such-group"), data) for one, data in place.held()]
    path = str(place.backup(held).path)
    import pwd

    for policy, uid, gid in (("names", pwd.getpwnam("nobody").pw_uid, 4322), ("numbers", 4321, 4322), ("none", 0, 0)):
        place.restore(path=path, owners=policy)
        for name in ("package.json", "lib", "current"):
            status = (place.app / name).lstat()
            assert (status.st_uid, status.st_gid) == (uid, gid), (policy, name)
        assert stat.S_IMODE((place.app / "lib").stat().st_mode) == 0o2775
