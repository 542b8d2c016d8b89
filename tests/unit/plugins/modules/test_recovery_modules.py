"""The modules of a recovery as Ansible runs them: one process for each call, one JSON answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery import backup_reading
from ansible_collections.upkeep.runbook.plugins.modules.backup_verify import argument_spec
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

RUN, LATER = "20261122T050000Z-0000000a", "20261122T060000Z-0000000b"


def call(module: str, **options: Any) -> dict[str, Any]:
    return run_module(module, options)


def test_the_options_with_which_a_recovery_verifies_are_those_of_the_module() -> None:
    assert backup_reading.verify_options("/x", 1.0, 1100.0).keys() == argument_spec().keys()


def test_a_recovery_is_noted_and_read_without_a_change(tmp_path: Path) -> None:
    where = {"state_directory": str(tmp_path / "state")}
    assert call("recovery_record", **where)["record"] == {}
    planned = call("recovery_record", **where, phase="begun", run_id=RUN, _ansible_check_mode=True)
    assert planned["record"]["phase"] == "begun" and not (tmp_path / "state").exists()
    begun = call("recovery_record", **where, phase="begun", run_id=RUN, backup="/b.tar")
    assert begun["changed"] is False
    assert call("recovery_record", **where)["record"] == begun["record"]
    other = call("recovery_record", **where, phase="begun", run_id=LATER)
    assert other["failed"] and RUN in other["msg"]


def test_a_file_of_settings_gets_its_rights(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=secret-value\n")
    path.chmod(0o644)
    result = call("env_file", files=[{"path": str(path), "required_keys": ["A", "B"]}])
    assert (result["changed"], result["status"]) == (True, "critical")
    assert "lacks B" in result["checks"][0]["summary"] and "secret-value" not in str(result["checks"])
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_installed_where_nothing_is_described(tmp_path: Path) -> None:
    result = call("npm_packages", projects=[str(tmp_path)])
    assert (result["changed"], result["status"]) == (False, "unknown")


def preflight(folder: Path, **options: Any) -> dict[str, Any]:
    return call("recovery_preflight", **{"platform": "X", "confirm": "X", "directory": str(folder), "pattern": ["x_*.tar.gz"], **options})


def test_everything_that_refuses_is_said_at_once_and_nothing_is_read_for_it(tmp_path: Path) -> None:
    result = preflight(
        tmp_path, confirm="", unmanaged=["worker"], users=["nobody-called-so"], python_modules=["no_such_module"],
        maintenance_file=str(tmp_path / "app" / "page"), targets=[str(tmp_path / "app")],
    )
    assert result["changed"] is False and result["status"] == "critical"
    said = " | ".join(result["problems"])
    expected = ("nobody has confirmed", "worker is known by its process only", "no user nobody-called-so", "no no_such_module", "choose a place")
    for words in expected:
        assert words in said
    assert "no backup" not in said, "a backup is looked for when nothing else refuses"
    assert [check["check"] for check in result["checks"]] == ["recovery.preflight"]


def test_a_backup_is_chosen_and_the_plan_shown(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "a").write_text("a")
    made = call(
        "backup_create", sources=[{"name": "app", "paths": [str(tmp_path / "app")]}], destination=str(tmp_path / "backups"), label="x",
        platform="X", host="h", state_directory=str(tmp_path / "state"), compression="gzip",
    )
    result = preflight(tmp_path / "backups", targets=[str(tmp_path / "app")], host="h")
    assert (result["problems"], result["status"]) == ([], "ok")
    assert result["backup"]["path"] == made["backup"]["path"] and result["targets"] == [str(tmp_path / "app")]
    by_id = result["backup"]["backup_id"]
    missing = preflight(tmp_path / "backups", targets=[str(tmp_path / "gone")], dumps=["postgresql-x"], backup=by_id)
    assert "holds nothing of" in missing["problems"][0] and "no dump postgresql-x" in missing["problems"][1]
    other = preflight(tmp_path / "backups", platform="Y", confirm="Y", backup=made["backup"]["path"])
    assert "it is of the platform X, not of Y" in other["problems"][0]
    wrong = preflight(tmp_path / "backups", before="soon")
    assert wrong["failed"] and "before: 'soon' is no time" in wrong["msg"]


@pytest.fixture()
def backup(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "a").write_bytes(b"some content" * 1000)
    answer = run_module("backup_create", {
        "sources": [{"name": "app", "paths": [str(tmp_path / "app")]}], "destination": str(tmp_path / "backups"), "label": "x",
        "platform": "X", "host": "h", "state_directory": str(tmp_path / "state"), "compression": "gzip",
    })
    return Path(answer["backup"]["path"])


def test_a_whole_backup_verifies_whatever_its_age_and_name(backup: Path) -> None:
    assert backup_reading.verify_archive(str(backup), 60.0, 1100.0) == ""
    header = backup_reading.read_header(str(backup))
    assert (header["platform"], header["host"]) == ("X", "h")
    assert [Path(member.name).name for member in backup_reading.read_members(str(backup))] == ["app", "a"]


def test_how_much_a_backup_may_unpack_to_is_said_once_for_verifying_and_recovering(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    with open(tmp_path / "app" / "zeros", "wb") as stream:
        stream.truncate(257 * 1024 * 1024)
    made = run_module("backup_create", {
        "sources": [{"name": "app", "paths": [str(tmp_path / "app")]}], "destination": str(tmp_path / "backups"), "label": "x",
        "platform": "X", "host": "h", "state_directory": str(tmp_path / "state"),
    })
    given = {"pattern": ["x_*"], "targets": [str(tmp_path / "app")]}
    refused = preflight(tmp_path / "backups", **given)
    assert "none of the 1 newest backups verifies" in refused["problems"][0] and refused["backup"] == {}
    accepted = preflight(tmp_path / "backups", **given, max_ratio=1_000_000)
    assert (accepted["problems"], accepted["backup"]["path"]) == ([], made["backup"]["path"])
    assert "max_ratio: 0.5 is not accepted" in preflight(tmp_path / "backups", **given, max_ratio=0.5)["msg"]


def test_one_flipped_bit_is_the_reason_not_to_use_it(backup: Path) -> None:
    data = bytearray(backup.read_bytes())
    data[len(data) // 2] ^= 1
    backup.write_bytes(data)
    assert backup.name in backup_reading.verify_archive(str(backup), 60.0, 1100.0)


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
