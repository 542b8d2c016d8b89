"""A restore is killed at any moment, the disk is full, archives are hostile: each target is wholly old or wholly new."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creating import create_backup
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring import kernel_calls, preparing
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.restoring import restore_backup
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import backup_create, backup_restore
from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS
from ansible_collections.upkeep.runbook.tests.faults.small_disk import small_disk
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.restoring.restore_samples import looks, staging_left, tree

#: How often a restore is killed, and an archive damaged, for each of FAULT_RUNS: 20 are 120 and 500.
KILLS, DAMAGES = 6, 25

_MODULE = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring import kernel_calls
from ansible_collections.upkeep.runbook.plugins.modules import backup_restore
options = json.load(sys.stdin)
if not options.pop("exchange"):
    kernel_calls.exchange = lambda *_arguments: False
with patch_module_args(options):
    backup_restore.main()
"""
#: Not what wait4() says: that counts the pages of the test's own process before it became the module.
_TELLS_MEMORY = r"""
import atexit, re, sys
atexit.register(lambda: sys.stderr.write(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]))
"""


def with_defaults(module: Any, given: dict[str, Any]) -> dict[str, Any]:
    return {**{name: option.get("default") for name, option in module.argument_spec().items()}, **given}


class Host:
    """Two targets, a backup of what they were, and what they are now."""

    def __init__(self, root: Path, files: int = 60) -> None:
        self.root = root.resolve()
        self.opt = self.root / "opt"
        self.targets = [self.opt / "app", self.opt / "app.conf"]
        self.state = self.root / "state"
        noise = random.Random(5)
        tree(self.targets[0], {f"lib/{number % 7}/{number}.js": noise.randbytes(1500).hex() for number in range(files)})
        (self.targets[0] / "link").symlink_to("lib/0/0.js")
        os.link(self.targets[0] / "lib/1/1.js", self.targets[0] / "hard.js")
        self.targets[1].write_text("saved")
        sources = [{"name": "all", "paths": [str(path) for path in self.targets], "exclude": ["node_modules"], "one_file_system": True}]
        given = {"sources": sources, "destination": str(self.root / "backups"), "label": "app", "state_directory": str(self.state)}
        self.path = create_backup(with_defaults(backup_create, given), now=utc_now(), check_mode=False)["backup"]["path"]
        self.saved = self.looks()
        tree(self.targets[0], {"lib/0/0.js": "broken", "new.js": "new", "node_modules/m/i.js": "module"})
        (self.targets[0] / "lib/2/2.js").unlink()
        self.targets[1].write_text("broken")
        self.live = self.looks()
        self.saved[0].update({name: row for name, row in self.live[0].items() if name.startswith("node_modules")})

    def looks(self) -> list[dict[str, Any]]:
        """Return what each target is like."""
        return [looks(self.targets[0]), looks(self.opt, but=[".", "app", *self._below()])]

    def _below(self) -> list[str]:
        paths = (path for path in self.opt.rglob("*") if path.name != "app.conf" or path.parent != self.opt)
        return [os.fsencode(path.relative_to(self.opt)).decode("utf-8", "backslashreplace") for path in paths]

    def options(self, **more: Any) -> dict[str, Any]:
        return {"path": self.path, "state_directory": str(self.state), **more}

    def restore(self, **more: Any) -> dict[str, Any]:
        return restore_backup(with_defaults(backup_restore, self.options(**more)), now=utc_now(), check_mode=False)

    def go_back(self) -> dict[str, Any]:
        return self.restore(path=None, state="previous")

    def is_whole(self, *, may_miss: bool) -> None:
        """See that each target is wholly what it was or wholly what it is to be."""
        for number, found in enumerate(self.looks()):
            if may_miss and not self.targets[number].exists():
                continue
            assert found in (self.saved[number], self.live[number]), f"{self.targets[number]} is neither old nor new"

    def start(self, *, exchange: bool, **more: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps({"exchange": exchange, **self.options(**more)}))
        process.stdin.close()
        process.stdin = None
        return process


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert output.strip(), f"the module ended with {process.returncode}: {errors}"
    return json.loads(output.splitlines()[-1])


@pytest.fixture
def memory() -> Iterator[Path]:
    """A place in memory: a disk that others write to lets a flush take seconds."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)


@pytest.fixture
def host(memory: Path) -> Host:
    return Host(memory)


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
def test_killed_at_random_moments(memory: Path, exchange: bool, chance: random.Random, fault_runs: int) -> None:
    host = Host(memory, files=400)
    began = time.monotonic()
    assert answer(host.start(exchange=exchange))["changed"]
    whole = time.monotonic() - began
    killed = 0
    for _kill in range(KILLS * fault_runs // 2):
        host.go_back()
        assert host.looks() == host.live
        process = host.start(exchange=exchange)
        # The interpreter starts for the first third of the time.
        time.sleep(whole * (0.3 + 0.7 * chance.random()))
        killed += process.poll() is None
        process.kill()
        process.communicate(timeout=PATIENCE_SECONDS)
        host.is_whole(may_miss=not exchange)
        assert host.restore()["status"] == "ok"
        assert host.looks() == host.saved
        assert len(staging_left(host.opt)) == 2, "only the trees from before this restore are kept"
        # The tree from before the killed one is what is wanted back.
        reset(host)
    assert killed, "every restore had ended before it was killed"
    print(f"{killed} of {KILLS * fault_runs // 2} restores were killed at work")


def reset(host: Host) -> None:
    """Make the live trees again what they were, whatever a killed run has come to, as a restore that can be taken back."""
    tree(host.targets[0], {"lib/0/0.js": "broken", "new.js": "new"})
    (host.targets[0] / "lib/2/2.js").unlink(missing_ok=True)
    host.targets[1].write_text("broken")
    host.live = host.looks()
    host.saved[0].update({name: row for name, row in host.live[0].items() if name.startswith("node_modules")})
    host.restore()


def die_before(step: int, act: Callable[[], object], *, exchange: bool) -> bool:
    """Act in a child that kills itself before its call number ``step`` that changes something; return whether it did."""
    child = os.fork()
    if child == 0:
        calls = [step]

        def dying(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **keywords: Any) -> Any:
                calls[0] -= 1
                if calls[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **keywords)
            return wrapped

        for name in ("rename", "replace", "link", "unlink", "symlink", "mkdir", "rmdir", "fsync", "write", "fchmod", "utime"):
            setattr(os, name, dying(getattr(os, name)))
        kernel_calls.exchange = dying(kernel_calls.exchange) if exchange else lambda *_arguments: False
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
def test_killed_before_each_single_step_of_a_restore(memory: Path, exchange: bool) -> None:
    host = Host(memory, files=3)
    step = 0
    while die_before(step, host.restore, exchange=exchange):
        host.is_whole(may_miss=not exchange)
        recovered = host.restore(state="previous", path=None) if journals(host) else {}
        assert host.looks() == host.live, f"killed before step {step}: {recovered.get('recovered')}"
        step += 1
    assert step > 60, "too few steps were met"
    assert host.looks() == host.saved
    print(f"killed before each of {step} steps")


def journals(host: Host) -> bool:
    """Tell whether a restore is done and can be taken back; what was interrupted is cleared away on the way."""
    try:
        host.go_back()
    except UpkeepError as exc:
        assert "no tree from before" in exc.message
        assert staging_left(host.opt) == [], "a restore that was undone has left something"
        return False
    return True


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
def test_killed_before_each_single_step_back(memory: Path, exchange: bool) -> None:
    host = Host(memory, files=3)
    step = 0
    while True:
        host.restore()
        host.saved = host.looks()
        if not die_before(step, host.go_back, exchange=exchange):
            break
        host.is_whole(may_miss=not exchange)
        assert host.go_back()["status"] == "ok"
        assert host.looks() == host.live, f"killed before step {step}"
        step += 1
    assert step > 8, "too few steps were met"
    assert host.looks() == host.live


def test_a_disk_that_is_full_in_the_middle(tmp_path: Path, root: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "disk", 8 * 1024 * 1024) as disk:
        host = Host(disk.path, files=300)
        before = host.looks()
        disk.leave_free(200_000)
        with pytest.raises(UpkeepError, match="are needed beside the present files, and .* are free; nothing was changed"):
            host.restore()
        assert host.looks() == before and staging_left(host.opt) == []

        # Somebody else fills it while the new tree is written.
        monkeypatch.setattr(preparing, "refuse_full_disk", lambda *_arguments: None)
        for free in (0, 4096, 60_000, 200_000):
            disk.leave_free(free)
            with pytest.raises(UpkeepError, match="No space left on device"):
                host.restore()
            assert host.looks() == before and staging_left(host.opt) == [], free

        disk.make_room()
        assert host.restore()["status"] == "ok"
        disk.make_room()
        assert host.looks() == host.saved


def test_two_restores_at_once(host: Host) -> None:
    both = [answer(process) for process in [host.start(exchange=True, lock_wait_seconds=30) for _number in range(2)]]
    assert [one["status"] for one in both] == ["ok", "ok"], both
    assert host.looks() == host.saved
    processes = [host.start(exchange=True) for _number in range(4)]
    answers = [answer(process) for process in processes]
    held = [one for one in answers if one.get("failed")]
    assert len(held) < 4 and all("wait until it has ended and start again" in one["msg"] for one in held), answers
    assert host.looks() == host.saved and len(staging_left(host.opt)) == 2


def test_damaged_archives_are_never_restored(host: Host, chance: random.Random, fault_runs: int) -> None:
    """A byte is changed, or the end is missing: refused with nothing changed, unless what is restored is right all the same."""
    data = Path(host.path).read_bytes()
    before = host.looks()
    refused = 0
    for number in range(DAMAGES * fault_runs):
        damaged = bytearray(data)
        if number % 4:
            damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        else:
            del damaged[chance.randrange(len(data)) :]
        Path(host.path).write_bytes(damaged)
        try:
            host.restore()
        except UpkeepError as exc:
            refused += 1
            assert "nothing was changed" in exc.message or "unchanged" in exc.message, exc.message
            assert host.looks() == before and staging_left(host.opt) == []
        else:
            assert host.looks() == host.saved, "something else was restored"
            host.go_back()
            assert host.looks() == before
    Path(host.path).write_bytes(data)
    assert refused > DAMAGES * fault_runs * 0.9
    print(f"{refused} of {DAMAGES * fault_runs} damaged archives were refused")


def test_a_million_empty_members(tmp_path: Path) -> None:
    """Refused by their number; with that allowed, by a name that stands twice at the very end; in bounded memory."""
    block = bytearray(512)
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124:136], block[136:148], block[156:157], block[257:265] = b"0" * 11 + b"\0", b"0" * 11 + b"\0", b"0", b"ustar\x0000"
    target = tree(tmp_path / "opt" / "app", {"a": "live"}).resolve()
    for count, more, said in (
        (1_000_000, {}, "more than 500000 members"), (200_000, {"max_ratio": 100_000}, "0000007 is in it twice")
    ):
        path = tmp_path / f"{count}.tar.zst"
        with subprocess.Popen(["zstd", "-q", "-1", "-o", str(path)], stdin=subprocess.PIPE) as packer:
            assert packer.stdin is not None
            # Of a million only the number counts; Python would make so many different headers for half a minute.
            if count == 1_000_000:
                block[:1], block[148:156] = b"a", b"        "
                block[148:156] = b"%06o\0 " % sum(block)
                for _part in range(100):
                    packer.stdin.write(bytes(block) * (count // 100))
            for number in [*range(count - 1), 7] if count < 1_000_000 else ():
                block[:10] = b"%07d\0\0\0" % number
                block[148:156] = b"        "
                block[148:156] = b"%06o\0 " % sum(block)
                packer.stdin.write(block)
            packer.stdin.write(bytes(1024))
        given = {"path": str(path), "target": [str(target)], "state_directory": str(tmp_path / "state"), **more}
        process = subprocess.Popen(
            [sys.executable, "-c", _TELLS_MEMORY + _MODULE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        output, told = process.communicate(json.dumps({"exchange": True, **given}))
        assert said in json.loads(output)["msg"], output
        peak = int(told.split()[-1])
        assert peak < 128 * 1024, f"{peak // 1024} MiB"
        print(f"{count} members were refused in {peak // 1024} MiB")
    assert sorted(path.name for path in target.parent.iterdir()) == ["app"] and (target / "a").read_text() == "live"
