"""What restic says while it works decides whether its snapshot is whole. A small program stands for it here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.client import Client
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.failures import NO_PROGRAM, ResticFailure
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.making import Made, make_snapshot, unread_words
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.repository import OPTIONS, read_repository

SUMMARY = '{"message_type":"summary","files_new":2,"data_added":7,"snapshot_id":"4ea63629"}'


def client_of(tmp_path: Path, script: str, **options: Any) -> Client:
    program = tmp_path / "restic"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    given = {name: option.get("default") for name, option in OPTIONS.items()}
    given.update({"repository": "/srv/restic", "password": "geheim", "program": str(program), "label": "x", **options})
    return Client(read_repository(given), state_directory=str(tmp_path), deadline=time.monotonic() + 30)


def error(item: str, reason: str) -> str:
    return f"""echo '{{"message_type":"error","error":{reason},"during":"archival","item":"{item}"}}' >&2"""


def made_by(tmp_path: Path, script: str) -> Made:
    return make_snapshot(client_of(tmp_path, script), ["backup"], directory=str(tmp_path), roots=["/root-of-source"])


def test_a_whole_snapshot(tmp_path: Path) -> None:
    made = made_by(tmp_path, f"echo '{{\"message_type\":\"status\"}}'; echo 'no json'; printf '{SUMMARY}'")
    assert made.snapshot_id == "4ea63629" and made.number("data_added") == 7 and made.number("dirs_new") == 0 and not made.incomplete


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ('{"Op":"open","Path":"/x","Err":13}', "/x/secret: permission denied"),
        ('{"message":"open /x: input/output error"}', "/x/secret: open /x: input/output error"),
        ('"a text"', "/x/secret: a text"),
    ],
)
def test_a_file_that_cannot_be_read_makes_it_incomplete(tmp_path: Path, reason: str, said: str) -> None:
    made = made_by(tmp_path, f"{error('/x/secret', reason)}; echo '{SUMMARY}'; exit 3")
    assert made.incomplete and unread_words(made) == said


def test_a_file_that_is_gone_does_not_unless_it_is_there_or_a_source(tmp_path: Path) -> None:
    gone = '{"message":"lstat /x: no such file or directory"}'
    assert made_by(tmp_path, f"{error('/x/gone', gone)}; echo '{SUMMARY}'; exit 3").vanished == ["/x/gone"]
    for path in ("/root-of-source", str(tmp_path)):
        assert made_by(tmp_path, f"{error(path, gone)}; echo '{SUMMARY}'; exit 3").incomplete
    assert made_by(tmp_path, f"echo '{SUMMARY}'; exit 3").incomplete, "it did not say why"


def test_without_a_snapshot_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UpkeepError, match="named no snapshot"):
        made_by(tmp_path, "exit 0")
    with pytest.raises(ResticFailure, match="no idea"):
        made_by(tmp_path, "echo 'Fatal: no idea' >&2; exit 1")


def test_the_password_comes_through_a_file_without_a_name_and_nothing_is_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTIC_PASSWORD_COMMAND", "false")
    script = 'cat "$RESTIC_PASSWORD_FILE"; echo; echo "$RESTIC_REPOSITORY $RESTIC_PASSWORD_COMMAND $LC_ALL $*"; cat "$RESTIC_PASSWORD_FILE"'
    lines = client_of(tmp_path, script).text(["cat", "config"]).splitlines()
    assert lines == ["geheim", f"/srv/restic  C --cache-dir={tmp_path}/restic-cache --cleanup-cache cat config", "geheim"]


def test_much_output_and_a_missing_program(tmp_path: Path) -> None:
    lines: list[bytes] = []
    client_of(tmp_path, "seq 1 200000; seq 1 1000 >&2").call(["x"], on_line=lines.append)
    assert len(lines) == 200_000 and lines[-1] == b"200000"
    (tmp_path / "gone").mkdir()
    with pytest.raises(ResticFailure, match="Install the package restic") as caught:
        client_of(tmp_path / "gone", "", program="/nonexistent/restic").call(["x"])
    assert caught.value.kind == NO_PROGRAM
