"""What a recovery reads of a backup: its manifest, and all of it against that."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery import backup_reading
from ansible_collections.upkeep.runbook.plugins.modules.backup_verify import argument_spec
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import answer_of, start_module


@pytest.fixture()
def backup(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "a").write_bytes(b"some content" * 1000)
    answer = answer_of(start_module("backup_create", {
        "sources": [{"name": "app", "paths": [str(tmp_path / "app")]}], "destination": str(tmp_path / "backups"), "label": "x",
        "platform": "X", "host": "h", "state_directory": str(tmp_path / "state"), "compression": "gzip",
    }))
    return Path(answer["backup"]["path"])


def test_the_options_of_the_verification_are_all_there() -> None:
    assert backup_reading.verify_options("/x", 1.0).keys() == argument_spec().keys()


def test_a_whole_backup_verifies_whatever_its_age_and_name(backup: Path) -> None:
    assert backup_reading.verify_archive(str(backup), 60.0) == ""
    header = backup_reading.read_header(str(backup))
    assert (header["platform"], header["host"]) == ("X", "h")
    assert [Path(member.name).name for member in backup_reading.read_members(str(backup))] == ["app", "a"]


def test_one_flipped_bit_is_the_reason_not_to_use_it(backup: Path) -> None:
    data = bytearray(backup.read_bytes())
    data[len(data) // 2] ^= 1
    backup.write_bytes(data)
    assert backup.name in backup_reading.verify_archive(str(backup), 60.0)


def test_a_backup_without_its_manifest_says_what_to_bring(backup: Path) -> None:
    sidecar = Path(f"{backup}.manifest.json")
    sidecar.write_bytes(sidecar.read_bytes()[:50])
    with pytest.raises(UpkeepError, match="the manifest beside it"):
        backup_reading.read_header(str(backup))
    sidecar.unlink()
    with pytest.raises(UpkeepError, match=f"put {sidecar.name} there"):
        backup_reading.read_header(str(backup))
    sidecar.symlink_to("/dev/zero")
    with pytest.raises(UpkeepError, match="cannot be read"):
        backup_reading.read_header(str(backup))
