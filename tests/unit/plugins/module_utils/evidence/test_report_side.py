"""What arrives on the report host: checked, kept under safe names, listed with what is missing, and verified later."""

from __future__ import annotations

import base64
import json
import os
import shutil
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.options import argument_spec
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.planning import plan
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.questions import AskFailed, HostLost
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.session import _alone
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.store import Damaged, host_folder, safe_name, unpacked
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.tally import Tally, clock_check, complete_check
from ansible_collections.upkeep.runbook.plugins.modules import evidence_collect
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.evidence.collected import (
    ask, collection, entries_of, manifest_of, session_of, verified,
)
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

STATE = {"processes", "network", "sessions", "modules", "mounts"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(10):
        (folder / f"file{number}").write_bytes(os.urandom(1000 * number))
    (folder / "large").write_bytes(os.urandom(200_000))
    (folder / "the last").write_bytes(b"x")
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    return folder


def by_check(answer: Mapping[str, Any]) -> dict[str, str]:
    return {row["check"]: row["status"] for row in answer["checks"]}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("auth.log", "auth.log"), ("../../etc/passwd", "_.._etc_passwd"), ("a\nb", "a_b"), (b"\xff\xfe", "__"), ("", "_"), (".hidden", "hidden"),
        ("x" * 300, "x" * 80), ("..", "_"), ("ü", "_"),
    ],
)
def test_safe_names(name: bytes | str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    ("host", "folder"), [("web-1.example.com", "web-1.example.com"), ("../x", host_folder("../x")), ("custody.jsonl", host_folder("custody.jsonl"))]
)
def test_folders_of_hosts(host: str, folder: str) -> None:
    assert host_folder(host) == folder and "/" not in folder and not folder.startswith((".", "custody."))


def test_pieces_that_are_not_what_was_sent() -> None:
    piece = ask(ask="state", item="modules")["pieces"][0]
    assert len(unpacked(piece)) == piece["bytes"]
    bomb = base64.b64encode(zlib.compress(bytes(50_000_000))).decode()
    for change in ({"data": "no base64"}, {"bytes": piece["bytes"] - 1}, {"bytes": -1}, {"sha256": "0" * 64}, {"data": bomb}, {"sha256": None},
                   {"data": base64.b64encode(b"x").decode()}, {"bytes": "7"}):
        with pytest.raises(Damaged):
            unpacked({**piece, **change})


def test_a_whole_collection(tmp_path: Path, data: Path) -> None:
    answer = collection(
        tmp_path / "incidents", paths=[str(data)], metadata_paths=[str(data)], logs=[], persistence=["/etc/passwd"],
        items=["files", "clock", "processes", "network", "sessions", "modules", "mounts", "persistence", "metadata"],
    )
    manifest = manifest_of(answer)
    assert list(answer["items"]) == ["clock", "processes", "network", "sessions", "modules", "mounts", "persistence", "metadata", "files"]
    assert manifest["outcome"] == "complete" and manifest["schema"] == 1 and manifest["host"] == "web-1"
    for row in manifest["artifacts"]:
        content = (Path(answer["path"]) / row["stored"]).read_bytes()
        assert len(content) == row["bytes"] == sum(chunk["bytes"] for chunk in row["chunks"])
        if row["item"] == "files":
            assert content == (data / row["path"].rpartition("/")[2]).read_bytes() and row["source_sha256"] == row["sha256"]
    assert {row["item"] for row in manifest["artifacts"]} >= {"clock", "processes", "network", "mounts", "persistence", "metadata", "files"}
    (large,) = [row for row in manifest["artifacts"] if row.get("path", "").endswith("/large")]
    assert [chunk["bytes"] for chunk in large["chunks"]] == [65536, 65536, 65536, 200_000 - 3 * 65536]
    assert abs(answer["clock"]["offset_seconds"]) <= answer["clock"]["uncertainty_seconds"] + 1
    assert verified(tmp_path / "incidents")["status"] == "ok"
    again = collection(tmp_path / "incidents", paths=[str(data)])
    assert again["path"] != answer["path"] and verified(tmp_path / "incidents")["totals"] == {"collections": 2, "whole": 2}
    assert [entry["outcome"] for entry in entries_of(tmp_path / "incidents")] == ["planned", "done"] * 2
    found = run_module("evidence_verify", {"directory": str(tmp_path / "incidents"), "incident": "INC-1", "expected_head": answer["custody_head"]})
    assert (found["status"], found["changed"], found["totals"]["whole"]) == ("ok", False, 2), found


def test_limits_are_said(tmp_path: Path, data: Path) -> None:
    answer = collection(tmp_path / "incidents", paths=[str(data)], max_file_bytes=100_000, max_total_bytes=20_000, max_files=8)
    manifest = manifest_of(answer)
    assert answer["totals"]["left_out"] == {"number": 3, "size": 1, "total": 2} and answer["totals"]["bytes"] <= 20_000
    assert by_check(answer)["evidence.complete"] == "warning" and answer.get("failed") is None
    assert all(row["reason"] and row["status"]["size"] >= 0 for row in manifest["left_out"])
    pages = collection(tmp_path / "incidents", items=["metadata"], metadata_paths=["/etc", "/usr/lib"], max_total_bytes=100_000)
    assert pages["totals"]["left_out"]["total"] == 1


def replaced(data: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a host whose answers about files are changed on their way."""

    def call(question: dict[str, Any]) -> dict[str, Any]:
        answer = ask(**question)
        if question["ask"] == "read":
            change(question, answer)
        return answer

    return call


def test_what_is_damaged_on_its_way_is_never_taken_for_whole(tmp_path: Path, data: Path) -> None:
    def flip(question: dict[str, Any], answer: dict[str, Any]) -> None:
        for read in answer["reads"]:
            if read.get("bytes") in (3000, 65536):
                read["data"] = base64.b64encode(zlib.compress(os.urandom(read["bytes"]))).decode()

    answer = collection(tmp_path / "incidents", replaced(data, flip), paths=[str(data)])
    rows = {row["path"].rpartition("/")[2]: row for row in manifest_of(answer)["artifacts"]}
    assert {name for name, row in rows.items() if row.get("partial")} == {"file3", "large"}
    assert rows["file3"]["bytes"] == 0 and by_check(answer)["evidence.complete"] == "unknown"
    assert answer["totals"]["left_out"] == {"failed": 2}
    assert len([entry for entry in entries_of(tmp_path / "incidents") if entry["outcome"] == "failed"]) >= 1


def test_files_that_change_grow_shrink_and_vanish(tmp_path: Path, data: Path) -> None:
    def meddle(question: dict[str, Any], answer: dict[str, Any]) -> None:
        if question["reads"][0]["offset"] == 65536:
            with open(data / "large", "ab") as stream:
                stream.write(b"more")
            os.truncate(data / "shrinking", 70_000)
            (data / "rewritten").write_bytes(os.urandom(150_000))
            (data / "zz-vanishing").unlink(missing_ok=True)

    for name in ("rewritten", "shrinking", "zz-vanishing"):
        (data / name).write_bytes(os.urandom(150_000))
    answer = collection(tmp_path / "incidents", replaced(data, meddle), paths=[str(data)])
    manifest = manifest_of(answer)
    changes = {row["path"].rpartition("/")[2]: row["change"] for row in manifest["artifacts"] if row["change"]}
    assert changes == {"large": "grew", "rewritten": "changed", "shrinking": "changed"}
    differs = {row["path"].rpartition("/")[2] for row in manifest["artifacts"] if row["sha256"] != row["source_sha256"] and not row.get("partial")}
    assert differs == {"rewritten", "shrinking"}, "the host was not asked in the end"
    assert [(row["path"].rpartition("/")[2], row["kind"]) for row in manifest["left_out"]] == [("zz-vanishing", "vanished")]
    assert by_check(answer)["evidence.complete"] == "warning"
    assert verified(tmp_path / "incidents")["status"] == "ok", "it is what was collected all the same"


def test_a_question_that_fails_once_is_asked_again(tmp_path: Path, data: Path) -> None:
    asked: list[str] = []

    def call(question: dict[str, Any]) -> dict[str, Any]:
        asked.append(question["ask"])
        if len(asked) % 3 == 2:
            raise AskFailed("killed")
        return ask(**question)

    answer = collection(tmp_path / "incidents", call, paths=[str(data)])
    assert answer["items"] == {"files": "done"} and answer["status"] == "ok"
    failed = [entry for entry in entries_of(tmp_path / "incidents") if entry["outcome"] == "failed"]
    assert failed and failed[0]["summary"] == "read: killed"


def test_a_host_that_is_lost_leaves_an_incomplete_collection(tmp_path: Path, data: Path) -> None:
    def call(question: dict[str, Any]) -> dict[str, Any]:
        if question["ask"] == "read" and question["reads"][0]["offset"] >= 65536:
            raise HostLost("the host is not reached: connection timed out")
        return ask(**question)

    answer = collection(tmp_path / "incidents", call, paths=[str(data)], items=["files", "mounts", "clock"])
    assert answer["unreachable"] and answer["failed"] and "timed out" in answer["msg"]
    assert answer["items"] == {"clock": "done", "mounts": "done", "files": "failed"}
    assert by_check(answer)["evidence.collected"] == "critical"
    manifest = manifest_of(answer)
    named = {row.get("path") for row in [*manifest["artifacts"], *manifest["left_out"]]}
    assert {str(path) for path in data.iterdir()} <= named, "a file is neither there nor said to be missing"
    found = verified(tmp_path / "incidents")
    assert found["status"] == "warning" and "incomplete" in found["checks"][-1]["summary"], found
    last = entries_of(tmp_path / "incidents")[-1]
    assert last["outcome"] == "failed" and last["details"]["manifest_sha256"] == answer["manifest_sha256"]


@pytest.mark.parametrize(
    "answer",
    [{}, {"files": None}, {"files": [{}], "left_out": []}, {"files": [{"path": 1, "raw": 2, "status": {}, "content": True}], "left_out": []},
     {"files": [{"path": "/x", "raw": "eA==", "status": {"size": "9"}, "content": True}], "left_out": []}, {"files": 7, "left_out": [7]}],
)
def test_answers_of_a_hostile_host_are_no_crash(tmp_path: Path, answer: dict[str, Any]) -> None:
    got = collection(tmp_path / "incidents", lambda question: answer if question["ask"] == "list" else ask(**question), items=["files", "mounts"])
    assert got["items"] == {"mounts": "done", "files": "failed"} and got["failed"]
    assert verified(tmp_path / "incidents")["status"] == "warning"


def test_a_host_that_never_comes_to_an_end(tmp_path: Path) -> None:
    page = ask(ask="state", item="modules")
    for number, answer in enumerate([page, {**page, "pieces": []}]):
        turns = iter(range(10**9))
        got = collection(
            tmp_path / "incidents", lambda question: {**answer, "cursor": f"{next(turns) if number else 0}"}, items=["modules"]  # noqa: B023
        )
        assert got["items"] == {"modules": "failed"} and "without an end" in manifest_of(got)["left_out"][-1]["reason"]


@pytest.mark.parametrize("time", ["now", None, float("nan"), float("inf"), [1]])
def test_a_clock_that_is_none(tmp_path: Path, time: Any) -> None:
    got = collection(tmp_path / "incidents", lambda question: {"clock": {"time": time}}, items=["clock"])
    assert got["items"] == {"clock": "failed"} and by_check(got)["evidence.clock"] == "unknown"


def test_rows_of_a_hostile_host_are_text(tmp_path: Path) -> None:
    page = {**ask(ask="state", item="modules"), "cursor": None, "left_out": [{"path": "x\ud800\x1b[31m", "kind": ["failed"], "reason": {"a": 1}}]}
    got = collection(tmp_path / "incidents", lambda question: page, items=["modules"])
    assert got["items"] == {"modules": "done"} and json.dumps(got).isascii() and manifest_of(got)["left_out"][0]["kind"] == "['failed']"
    bad = {**page, "left_out": [{"path": "x"}]}
    assert collection(tmp_path / "incidents", lambda question: bad, items=["modules"])["items"] == {"modules": "failed"}


def tampered_manifest(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["artifacts"].pop()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def flipped(folder: Path) -> None:
    (path,) = folder.glob("files/*-large")
    content = bytearray(path.read_bytes())
    content[100_000] ^= 1
    path.write_bytes(content)


TAMPERING: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "a flipped bit": (flipped, "evidence.integrity", "was changed within 65536 bytes from 65536 on"),
    "cut off": (lambda folder: os.truncate(next(folder.glob("files/*-large")), 10), "evidence.integrity", "was changed within"),
    "longer": (lambda folder: next(folder.glob("files/*-large")).open("ab").write(b"x"), "evidence.integrity", "has 200001 bytes instead of 200000"),
    "removed": (lambda folder: next(folder.glob("files/*-large")).unlink(), "evidence.integrity", "cannot be read"),
    "added": (lambda folder: (folder / "files/planted").write_text("x"), "evidence.integrity", "files/planted is not in the manifest"),
    "linked": (lambda folder: (folder / "files/planted").symlink_to("/etc"), "evidence.integrity", "files/planted is not in the manifest"),
    "manifest": (tampered_manifest, "evidence.integrity", "the manifest is another one"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "evidence.integrity", "is gone"),
    "no folder": (lambda folder: shutil.rmtree(folder), "evidence.integrity", "its folder is gone"),
    "log": (
        lambda folder: (folder.parents[1] / "custody.jsonl").write_bytes((folder.parents[1] / "custody.jsonl").read_bytes().replace(b"planned", b"plannes", 1)),
        "custody.chain", "line 1 was changed",
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_found(tmp_path: Path, data: Path, what: str) -> None:
    change, check, said = TAMPERING[what]
    answer = collection(tmp_path / "incidents", paths=[str(data)])
    change(Path(answer["path"]))
    found = verified(tmp_path / "incidents")
    (row,) = [row for row in found["checks"] if row["status"] != "ok"]
    assert (row["check"], row["status"]) == (check, "critical") and said in row["summary"], row


def test_a_plan_writes_nothing(tmp_path: Path, data: Path) -> None:
    (data / ".env").write_text("x")
    session = session_of(tmp_path / "incidents", items=["processes", "files"], paths=[str(data)])
    answer = plan(session, lambda question: ask(**question))
    assert answer["plan"] == [
        {"item": "processes", "files": None, "bytes": None}, {"item": "files", "files": 12, "bytes": 245_001, "left_out": {"secret": 1}},
    ]
    assert not (tmp_path / "incidents").exists()


def test_two_collections_of_a_host_at_once(tmp_path: Path, data: Path) -> None:
    answer = collection(tmp_path / "incidents", paths=[str(data)])
    with _alone(Path(answer["path"]).parent), pytest.raises(UpkeepError, match="another run collects"):
        collection(tmp_path / "incidents", paths=[str(data)])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"incident": ""}, "incident"), ({"items": []}, "items: nothing"), ({"items": ["memory"]}, "items: memory"),
        ({"chunk_bytes": 10}, "chunk_bytes"), ({"max_files": -1}, "max_files"), ({"journal_hours": float("nan")}, "journal_hours"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, options: dict[str, Any], named: str) -> None:
    with pytest.raises(UpkeepError, match=named):
        session_of(tmp_path / "incidents", **options)


@pytest.mark.parametrize(
    ("offset", "by", "status"),
    [(0.1, 0.2, "ok"), (-1.5, 0.4, "ok"), (5.0, 0.2, "warning"), (-5.0, 0.2, "warning"), (1.9, 0.2, "unknown"), (0.0, 10.0, "unknown")],
)
def test_the_clock(offset: float, by: float, status: str) -> None:
    assert clock_check({"offset_seconds": offset, "uncertainty_seconds": by}, "web-1", 2.0)["status"] == status
    assert clock_check(None, "web-1", 2.0)["status"] == "unknown"


@pytest.mark.parametrize(
    ("kind", "status"),
    [("secret", "ok"), ("kind", "ok"), ("absent", "ok"), ("size", "warning"), ("vanished", "warning"), ("unreadable", "unknown"), ("failed", "unknown")],
)
def test_what_is_missing(kind: str, status: str) -> None:
    tally = Tally(items={"files": "done"})
    tally.leave_out("files", {"path": "/x", "kind": kind, "reason": "why"})
    assert complete_check(tally, "web-1")["status"] == status


def test_the_action_takes_what_its_page_documents() -> None:
    documented = yaml.safe_load(evidence_collect.DOCUMENTATION)["options"]
    spec = argument_spec()
    assert documented.keys() == spec.keys()
    for name, option in spec.items():
        page = documented[name]
        assert (page["type"], page.get("elements"), page.get("default"), page.get("required", False)) == (
            option["type"], option.get("elements"), option.get("default"), option.get("required", False)
        ), name
