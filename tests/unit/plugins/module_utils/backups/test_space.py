"""Whether there is room for a first backup: a tree is only walked where its file systems hold more than there is room for."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import creating
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.space import Totals
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

BLOCK = 4096


@pytest.mark.parametrize(
    ("used", "files", "free", "one_file_system", "walks"),
    [
        (100, 0, 400, True, False),
        (100, 0, 99, True, True),
        (100, 0, 110, True, True),  # a twentieth of all is to stay free
        (100, 4000, 400, True, True),  # their headers alone have no room
        (100, 0, 400, False, True),  # other file systems may lie below
    ],
)
def test_a_walk_only_where_room_is_short(
    used: int, files: int, free: int, one_file_system: bool, walks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = (BLOCK, BLOCK, used + free, free, free, 2 * files, files, files, 0, 255)
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(sizes))
    walked = []

    def walk(*_arguments: Any) -> Totals:
        walked.append(True)
        return Totals(members=1, files=1, bytes=2 * (used + free) * BLOCK)

    monkeypatch.setattr(creating, "_totals", walk)
    root = SimpleNamespace(path=str(tmp_path), one_file_system=one_file_system)
    request: Any = SimpleNamespace(roots=[root, root], destination=tmp_path, compression="gzip", min_free_percent=5)
    if walks:
        with pytest.raises(UpkeepError, match="free; a backup that is made of"):
            creating._refuse_full_disk(request, None)
    else:
        creating._refuse_full_disk(request, None)
    assert bool(walked) == walks
    creating._refuse_full_disk(request, BLOCK)
    assert len(walked) == walks
