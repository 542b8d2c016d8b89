"""Files are read by processes: with the same results as here, none lost when one dies, and nothing of them stays."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import select
import signal
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity import examining, readers
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.examining import Examination, Outcome
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.readers import Job, Readers, Result, read_jobs
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.reading import read_entry
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.roots import find_roots
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.walking import Walk

FOLDERS, FILES = 30, 70

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Generator[None, None, None]:
    before = sorted(os.listdir("/proc/self/fd"))
    yield
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture(name="tree", scope="module")
def tree_of_many_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("readers") / "tree"
    chance = random.Random(1)
    for folder in range(FOLDERS):
        place = tree / f"folder {folder:02}"
        place.mkdir(parents=True)
        for number in range(FILES):
            (place / f"{number}-{'ä' * 20}\n").write_bytes(chance.randbytes(chance.choice((0, 10, 300_000 if number == 7 else 3000))))
    os.symlink("nowhere", tree / "folder 00" / "link")
    return tree


def examination(tree: Path, workers: int, lines: Sequence[str] = ()) -> Examination:
    roots, gaps = find_roots([str(tree)])
    assert not gaps
    walk = Walk(roots, None, one_file_system=True, with_status=False)
    return Examination(walk, iter(lines), workers=workers, trust_before=None, capabilities=True)


def pids(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the processes that are forked from now on, as they are."""
    forked: list[int] = []
    fork = os.fork

    def noted() -> int:
        pid = fork()
        forked.append(pid)
        return pid

    monkeypatch.setattr(readers.os, "fork", noted)
    return forked


@pytest.mark.parametrize("workers", [2, 5])
def test_processes_find_what_is_found_without_them(tree: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = examination(tree, 1)
    expected = list(alone)
    forked = pids(monkeypatch)
    shared = examination(tree, workers)
    assert list(shared) == expected and len(forked) == workers
    assert shared.effort == alone.effort and alone.effort.hashed == FOLDERS * FILES
    line = next(after for _before, after, _problem in expected if after and "/7-" in after)
    assert hashlib.sha256(next((tree / "folder 00").glob("7-*")).read_bytes()).hexdigest() in line


def test_little_is_read_without_further_processes(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forked = pids(monkeypatch)
    assert len(list(examination(tree / "folder 03", 2))) == FILES + 1 and forked == []


def test_where_no_process_is_to_be_had_everything_is_read_here(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_process() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    expected = list(examination(tree, 1))
    monkeypatch.setattr(readers.os, "fork", no_process)
    assert list(examination(tree, 2)) == expected


def test_what_a_dead_process_had_is_unknown_and_keeps_its_line(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [after for _before, after, _problem in examination(tree, 1) if after]
    forked = pids(monkeypatch)

    def deadly(*arguments: Any, **options: Any) -> Any:
        if forked == [0]:  # as the first process sees it
            os.kill(os.getpid(), signal.SIGKILL)
        return read_entry(*arguments, **options)

    monkeypatch.setattr(readers, "read_entry", deadly)
    outcomes = list(examination(tree, 2, lines))
    assert len(outcomes) == len(lines)
    lost = [one for one in outcomes if one[2]]
    died = "could not be read: the process that read it died"
    assert lost and all(after == "" and before in lines for before, after, _problem in lost)
    assert all(before and problem == before.partition("\t")[0] + "\t" + died for before, _after, problem in lost)
    assert any(before == after for before, after, _problem in outcomes)


def test_who_stops_early_ends_them_even_at_an_endless_file(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(folder: int, name: str, path: str, *more: Any, **options: Any) -> Any:
        if "folder 29" in path:
            time.sleep(600)
        return read_entry(folder, name, path, *more, **options)

    monkeypatch.setattr(readers, "read_entry", endless)
    forked = pids(monkeypatch)
    with closing(cast(Generator[Outcome, None, None], iter(examination(tree, 2)))) as outcomes:
        while not forked:
            next(outcomes)


def test_long_paths_and_slow_answers_lock_neither_side(tmp_path: Path) -> None:
    """More than the sockets hold waits in both directions."""
    (tmp_path / "file").write_bytes(b"x" * 100)
    descriptor = os.open(tmp_path, os.O_RDONLY)

    def read(folders: Sequence[int], jobs: Sequence[Job], buffer: memoryview) -> list[Result]:
        return read_jobs(folders, jobs, buffer, capabilities=False, max_file_bytes=None)

    some = Readers(read)
    try:
        assert some.start(1)
        waiting = [some.submit([descriptor], [(number, 0, "file", f"/{number:04000}") for number in range(64)]) for _turn in range(40)]
        for results in waiting:
            answer = results()
            assert [position for position, *_rest in answer] == list(range(64)) and all(size == 100 for _position, _line, size, _problem in answer)
    finally:
        some.end()
        os.close(descriptor)


def test_who_has_answered_is_given_more_before_its_results_are_taken(tmp_path: Path) -> None:
    """Otherwise each waits for the slowest, since results are taken in order."""
    end_of_slow = tmp_path / "end"

    def read(folders: Sequence[int], jobs: Sequence[Job], buffer: memoryview) -> list[Result]:
        while jobs[0][2] == "slow" and not end_of_slow.exists():
            time.sleep(0.01)
        return [(0, str(os.getpid()), 0, "")]

    descriptor = os.open(tmp_path, os.O_RDONLY)
    some = Readers(read)
    try:
        assert some.start(2)
        waiting = [some.submit([descriptor], [(0, 0, "slow", "/slow")])]
        quick = next(one for one in some._readers if not one.waiting)
        for _turn in range(5):
            waiting.append(some.submit([descriptor], [(0, 0, "quick", "/quick")]))
            assert select.select([quick.link], [], [], 20)[0], "no answer"
        end_of_slow.touch()
        readers_of = [results()[0][1] for results in waiting]
        assert readers_of.count(readers_of[0]) == 1, readers_of
    finally:
        some.end()
        os.close(descriptor)


def test_who_has_died_is_given_nothing_more(tmp_path: Path) -> None:
    """However many files wait for the other one: what it was given is unknown, and so would these be."""

    def read(folders: Sequence[int], jobs: Sequence[Job], buffer: memoryview) -> list[Result]:
        if jobs[0][2] == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        return [(0, "read", 0, "")]

    descriptor = os.open(tmp_path, os.O_RDONLY)
    some = Readers(read)
    try:
        assert some.start(2)
        assert [problem for *_rest, problem in some.submit([descriptor], [(0, 0, "deadly", "/deadly")])()] != [""]
        waiting = [some.submit([descriptor], [(0, 0, "file", "/file")]) for _turn in range(9)]
        assert [results() for results in waiting] == [[(0, "read", 0, "")]] * 9
    finally:
        some.end()
        os.close(descriptor)


def test_what_an_answer_leaves_out_is_not_gone(tmp_path: Path) -> None:
    def read(folders: Sequence[int], jobs: Sequence[Job], buffer: memoryview) -> list[Result]:
        return [(0, "read", 0, "")]

    descriptor = os.open(tmp_path, os.O_RDONLY)
    some = Readers(read)
    try:
        assert some.start(1)
        answer = some.submit([descriptor], [(0, 0, "a", "/a"), (1, 0, "b", "/b")])()
        assert [(position, line, problem.partition("\t")[0]) for position, line, _size, problem in answer] == [(0, "", "/a"), (1, "", "/b")]
    finally:
        some.end()
        os.close(descriptor)


def test_a_process_holds_nothing_of_its_parent(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock would outlive a module that is killed."""
    forked = pids(monkeypatch)
    with open(tmp_path / "lock", "w", encoding="utf-8") as lock:
        outcomes = iter(examination(tree, 2))
        while not forked:
            next(outcomes)
        for pid in forked:
            deadline = time.monotonic() + 20
            while lock.name in held(pid) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert lock.name not in held(pid)
        assert examining.MAX_OPEN_FOLDERS and list(outcomes)


def held(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    found = []
    for name in os.listdir(folder):
        try:
            found.append(os.readlink(folder / name))
        except OSError:
            pass
    return found
