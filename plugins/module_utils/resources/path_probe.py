# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks for the file system of each path without ever waiting for one that does not answer.

A call on a dead network mount may block for good, and not even SIGKILL ends it. A thread in that state would keep the
whole process from ending, so each path is asked by a child process, which can be left behind.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

Answer = Mapping[str, Any]

#: At most so many children at a time.
WAVE = 32
_FIGURES = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail")


def look_at(path: str) -> Answer:
    """Return the figures of the file system that holds ``path``.

    :raises OSError: when the path does not exist or may not be looked at.
    """
    device = os.stat(path).st_dev
    found = os.statvfs(path)
    return {
        "real_path": os.path.realpath(path),
        "st_dev": device,
        "read_only": bool(found.f_flag & os.ST_RDONLY),
        **{name: getattr(found, name) for name in _FIGURES},
    }


def child_name(path: str) -> str:
    """Return the name of the process that looks at ``path``, so that a later run knows one that never came back."""
    return f"upkeep-{zlib.crc32(os.fsencode(path)):08x}"


def probe_paths(
    paths: Sequence[str],
    *,
    timeout_seconds: float,
    stuck: Collection[str] = (),
    look: Callable[[str], Answer] = look_at,
) -> dict[str, Answer]:
    """Return what ``look`` says about each path, or ``{"problem": reason}``; ends in time whatever the mounts do.

    :param timeout_seconds: how long a wave of :data:`WAVE` paths may take.
    :param stuck: the names of processes that wait and cannot be interrupted. A path whose process of an earlier run is
        among them is not asked again: otherwise each run would leave one more behind.
    """
    answers: dict[str, Answer] = {
        path: {"problem": "the file system has not answered since an earlier run"}
        for path in paths
        if child_name(path) in stuck
    }
    unique = [path for path in dict.fromkeys(paths) if path not in answers]
    for start in range(0, len(unique), WAVE):
        answers.update(_probe_wave(unique[start : start + WAVE], timeout_seconds, look))
    return answers


def _probe_wave(paths: Sequence[str], timeout_seconds: float, look: Callable[[str], Answer]) -> dict[str, Answer]:
    deadline = time.monotonic() + timeout_seconds
    silent = {"problem": f"the file system did not answer within {timeout_seconds:g} seconds"}
    answers: dict[str, Answer] = {path: silent for path in paths}
    children: dict[str, int] = {}
    texts = {path: b"" for path in paths}
    with selectors.DefaultSelector() as selector:
        for path in paths:
            try:
                children[path], reader = _ask(path, look)
            except OSError as exc:
                answers[path] = {"problem": f"no process could be started to look at it: {exc.strerror}"}
                continue
            selector.register(reader, selectors.EVENT_READ, path)
        while selector.get_map() and deadline > time.monotonic():
            for key, _events in selector.select(max(0.0, deadline - time.monotonic())):
                data = os.read(key.fd, 65536)
                texts[key.data] += data
                if not data:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    answers[key.data] = _answer(texts[key.data])
        for key in list(selector.get_map().values()):
            os.close(key.fd)
    for pid in children.values():
        _end(pid)
    return answers


def _ask(path: str, look: Callable[[str], Answer]) -> tuple[int, int]:
    """Start a child that looks at ``path``; return its process id and the pipe that carries its answer."""
    reader, writer = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid:
        os.close(writer)
        return pid, reader
    try:
        _leave_the_callers_files(writer)
        _take_name(child_name(path))
        try:
            answer = look(path)
        except OSError as exc:
            answer = {"problem": exc.strerror or str(exc)}
        os.write(1, json.dumps(answer).encode("ascii"))
    finally:
        # Neither the caller's exit handlers nor its buffered output are this child's.
        os._exit(0)


def _take_name(name: str) -> None:
    try:
        with open("/proc/self/comm", "w", encoding="ascii") as stream:
            stream.write(name)
    except OSError:
        pass  # only a later run would have needed it


def _leave_the_callers_files(writer: int) -> None:
    """Make ``writer`` the output and close the rest: a child left behind must not hold the connection open."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(writer, 1)
    os.dup2(null, 2)
    os.closerange(3, max(256, writer + 1))


def _answer(text: bytes) -> Answer:
    try:
        answer: Answer = json.loads(text)
    except ValueError:
        return {"problem": "the process that looked at it died"}
    return answer


def _end(pid: int) -> None:
    """Reap a child, killed when it still runs; one that cannot be killed now is left to end when it can."""
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == 0:
            os.kill(pid, signal.SIGKILL)
            for _attempt in range(20):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    break
                time.sleep(0.005)
    except (ChildProcessError, ProcessLookupError):
        pass
