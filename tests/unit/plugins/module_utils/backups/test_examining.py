"""A backup that changes while it is read, or is something else by then."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.examining import Examined, examine
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import find_path
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.judging import readable_status

WHOLE = gzip.compress(b"text" * 1000)


def examined(path: Path, pause: object = lambda _seconds: None) -> Examined:
    return examine(find_path(str(path)).files[0], Limits(time.monotonic() + 60), pause=pause)  # type: ignore[arg-type]


def test_a_file_that_grows_after_it_was_found_cut_off_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "dump.gz"
    path.write_bytes(WHOLE[:-4])

    def write(_seconds: float) -> None:
        path.write_bytes(WHOLE)

    one = examined(path, write)
    assert (one.changing, readable_status(one)) == (True, "unknown")
    one = examined(path, write)
    assert (one.changing, readable_status(one)) == (False, "ok")


def test_a_file_that_is_cut_off_and_stays_so_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "dump.gz"
    path.write_bytes(WHOLE[:-4])
    waited: list[float] = []
    assert readable_status(examined(path, waited.append)) == "critical"
    assert waited == [1.0]
    os.utime(path, (time.time() - 3600,) * 2)
    assert readable_status(examined(path, waited.append)) == "critical"
    assert waited == [1.0], "nobody writes to what was changed an hour ago"


def test_what_takes_the_place_of_a_backup_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "dump.gz"
    path.write_bytes(WHOLE)
    file = find_path(str(path)).files[0]
    limits = Limits(time.monotonic() + 60)
    path.unlink()
    assert "No such file" in str(examine(file, limits).problem)
    os.mkfifo(path)
    assert "is no file any more" in str(examine(file, limits).problem)
    path.unlink()
    path.symlink_to("/etc/passwd")
    one = examine(file, limits)
    assert "cannot be opened" in str(one.problem)
    assert readable_status(one) == "unknown"
