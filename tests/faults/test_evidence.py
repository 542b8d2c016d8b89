"""Collections of evidence that are killed, find no room or meet endless files: what was collected stays usable, and nothing partial counts."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.questions import AskFailed
from ansible_collections.upkeep.runbook.tests.faults.forking import forked
from ansible_collections.upkeep.runbook.tests.faults.small_disk import small_disk
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.evidence.collected import (
    ask, collection, entries_of, manifest_of, verified,
)
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import answer_of, start_module

#: Collections that are killed for each of FAULT_RUNS.
KILLS = 8
ITEMS = ["mounts", "metadata", "files"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(20):
        (folder / f"file{number}").write_bytes(os.urandom(30_000))
    (folder / "large").write_bytes(os.urandom(600_000))
    return folder


def collect(tmp_path: Path, data: Path, **more: Any) -> dict[str, Any]:
    return collection(tmp_path / "incidents", items=ITEMS, paths=[str(data)], metadata_paths=[str(data)], **more)


def assert_sound(directory: Path, whole: int) -> None:
    """Check that nothing looks like tampering, and that so many collections count."""
    found = verified(directory)
    assert {row["status"] for row in found["checks"]} <= {"ok", "warning"}, found["checks"]
    assert found["totals"]["whole"] == whole, found


def test_killed_at_any_moment(tmp_path: Path, data: Path, chance: random.Random, fault_runs: int) -> None:
    began = time.monotonic()
    collect(tmp_path, data)
    took, whole, killed = time.monotonic() - began, 1, 0
    for _run in range(KILLS * fault_runs):
        child = forked(lambda: collect(tmp_path, data))
        time.sleep(took * 1.2 * chance.random())
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        killed += os.WIFSIGNALED(status)
        # One that was killed after its end had been noted is whole.
        now = verified(tmp_path / "incidents")["totals"]["whole"]
        assert now in (whole, whole + 1) and (os.WIFSIGNALED(status) or now == whole + 1)
        whole = now
        assert_sound(tmp_path / "incidents", whole)
    assert killed, "every collection had ended before it was killed"
    assert collect(tmp_path, data)["status"] == "ok"
    assert_sound(tmp_path / "incidents", whole + 1)
    entries = entries_of(tmp_path / "incidents")
    told = [entry["details"]["unfinished"] for entry in entries if "unfinished" in entry["details"]]
    assert len(told) == len(set(told)), "told twice"
    ended = {entry["details"]["collection"] for entry in entries if entry["outcome"] == "done"}
    assert {path.name for path in (tmp_path / "incidents/INC-1/web-1").iterdir() if path.is_dir()} == ended | set(told)


def test_killed_between_the_manifest_and_the_custody_log(tmp_path: Path, data: Path) -> None:
    """The moment that a random one hardly meets."""

    def work() -> None:
        from ansible_collections.upkeep.runbook.plugins.module_utils.evidence import store

        real = store.write_atomically

        def last(*arguments: Any) -> None:
            real(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        store.write_atomically = last  # type: ignore[assignment]
        collect(tmp_path, data)

    assert os.WIFSIGNALED(os.waitpid(forked(work), 0)[1])
    (path,) = (tmp_path / "incidents/INC-1/web-1").glob("*/manifest.json")
    found = verified(tmp_path / "incidents")
    assert found["status"] == "warning" and found["totals"]["whole"] == 0
    collect(tmp_path, data)
    assert_sound(tmp_path / "incidents", 1)
    assert path.parent.name in {entry["details"].get("unfinished") for entry in entries_of(tmp_path / "incidents")}


def test_the_module_on_the_host_is_killed(tmp_path: Path, data: Path, chance: random.Random, fault_runs: int) -> None:
    """Each question is a process of its own, as on a host; some are killed at random moments."""
    lost = [0]

    def call(question: dict[str, Any]) -> dict[str, Any]:
        if question["ask"] != "read":
            return ask(**question)
        process = start_module("evidence_read", question)
        if chance.random() < 0.4:
            time.sleep(chance.random())
            process.kill()
        try:
            return answer_of(process)
        except json.JSONDecodeError:
            lost[0] += 1  # some are killed when they have answered
            raise AskFailed("the module was killed") from None

    for _run in range(max(fault_runs // 3, 1)):
        answer = collection(tmp_path / "incidents", call, paths=[str(data)], chunk_bytes=262_144)
        manifest = manifest_of(answer)
        for row in manifest["artifacts"]:
            content = (Path(answer["path"]) / row["stored"]).read_bytes()
            original = (data / row["path"].rpartition("/")[2]).read_bytes()
            assert original.startswith(content) and (content == original or row.get("partial")), row
        taken = {row["path"] for row in manifest["artifacts"] if not row.get("partial")}
        missing = {row["path"] for row in manifest["left_out"]}
        assert taken | missing >= {str(path) for path in data.iterdir()} and not taken & missing
    assert {row["status"] for row in verified(tmp_path / "incidents")["checks"]} <= {"ok", "warning"}
    noted = [entry for entry in entries_of(tmp_path / "incidents") if entry["outcome"] == "failed"]
    assert bool(noted) == bool(lost[0])


def test_no_room_on_the_report_host(tmp_path: Path, data: Path, root: None, fault_runs: int) -> None:
    with small_disk(tmp_path / "incidents", 64 * 1024 * 1024) as disk:
        disk.path.chmod(0o700)
        assert collect(tmp_path, data)["status"] == "ok"
        log = tmp_path / "incidents/INC-1/custody.jsonl"
        whole, need, failed = 1, 1_300_000, 0
        # From "not even the beginning can be noted" to "all but the manifest finds room".
        for size in [0, 4096, 20_000, *(need * step // fault_runs for step in range(1, fault_runs + 1))]:
            before = log.read_bytes()
            disk.leave_free(size)
            try:
                answer = collect(tmp_path, data)
                said = answer.get("msg", "")
            except UpkeepError as exc:
                said = exc.message
            failed += bool(said)
            whole += not said
            assert not said or "No space left on device" in said, said
            assert log.read_bytes().startswith(before)
            disk.make_room()
            assert_sound(tmp_path / "incidents", whole)
        assert failed >= 4
        assert collect(tmp_path, data)["status"] == "ok"
        assert_sound(tmp_path / "incidents", whole + 1)


# The peak of memory is asked of the process itself: what wait4() says includes that of this one, from before the exec.
_RUN = """
import atexit, json, re, sys
atexit.register(lambda: sys.stderr.write("\\n" + re.search("VmHWM:\\\\s+(\\\\d+) kB", open("/proc/self/status").read())[1]))
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.evidence.collected import collection
from pathlib import Path
answer = collection(Path(sys.argv[1]), **json.loads(sys.argv[2]))
print(json.dumps({key: answer[key] for key in ("totals", "outcomes", "path")}))
"""


def test_a_sparse_file_a_pipe_and_many_bytes_take_bounded_memory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with open(data / "sparse", "wb") as stream:
        stream.truncate(10 * 1024**3)
    with open(data / "allowed", "wb") as stream:
        stream.truncate(48 * 1024**2)
    os.mkfifo(data / "pipe")
    (data / "zeros").symlink_to("/dev/zero")

    def run(**options: Any) -> tuple[dict[str, Any], float]:
        done = subprocess.run(
            [sys.executable, "-c", _RUN, str(tmp_path / "incidents"), json.dumps({"paths": [str(data), "/dev/zero", "/proc/kcore"], **options})],
            capture_output=True, text=True, timeout=600, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]), int(done.stderr.splitlines()[-1]) / 1024

    small, base = run(exclude=["*/allowed"], chunk_bytes=2097152)
    assert small["totals"] == {"files": 0, "bytes": 0, "left_out": {"size": 1, "kind": 5}, "uncounted": 0}
    large, peak = run(chunk_bytes=2097152)
    assert large["totals"]["bytes"] == 48 * 1024**2 and large["outcomes"] == {"files": "done"}
    # Both sides are in this process: a piece and its copies on the way.
    assert peak < base + 24, (base, peak)
