# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work shared with processes that are forked for it: whoever is done takes the next piece.

A process that cannot be forked, or is killed, costs time only: what it did not hand in is done by the one that asked.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

#: Numbers of two bytes that fit into any pipe.
_MAX_TOKENS = 1000
_TOKEN_BYTES = 2


class Helper(NamedTuple):
    """A process that was forked, and where it writes its answer."""

    pid: int
    answers: int


def share(count: int, work: Callable[[Iterator[int]], T], *, processes: int) -> list[T]:
    """Let ``work`` do the pieces 0 to ``count - 1``, in several processes, and return what each of them returned.

    :param work: takes the numbers of pieces one after the other; what it returns can be pickled.
    :param processes: how many work at a time, this one included.
    """
    if processes < 2 or count < 2:
        return [work(iter(range(count)))]
    tokens = min(count, _MAX_TOKENS)
    queue, fill = os.pipe()
    helpers: list[Helper] = []
    try:
        os.write(fill, b"".join(number.to_bytes(_TOKEN_BYTES, "big") for number in range(tokens)))
        os.close(fill)
        done: set[int] = set()
        for _number in range(processes - 1):
            helper = _fork(queue, work, tokens, count)
            if helper is not None:
                helpers.append(helper)
        results = [work(_pieces(queue, tokens, count, done))]
        while helpers:
            answer: tuple[T, set[int]] | None = _collect(helpers[-1])
            helpers.pop()
            if answer is not None:
                results.append(answer[0])
                done |= answer[1]
    finally:
        os.close(queue)
        for helper in helpers:
            os.kill(helper.pid, signal.SIGKILL)
            os.waitpid(helper.pid, 0)
            os.close(helper.answers)
    missing = [number for token in range(tokens) if token not in done for number in range(token, count, tokens)]
    if missing:
        results.append(work(iter(missing)))
    return results


def _pieces(queue: int, tokens: int, count: int, done: set[int]) -> Iterator[int]:
    """Yield the numbers of pieces that this process takes, and note their tokens."""
    while True:
        data = os.read(queue, _TOKEN_BYTES)
        if len(data) < _TOKEN_BYTES:
            return
        token = int.from_bytes(data, "big")
        done.add(token)
        yield from range(token, count, tokens)


def _fork(queue: int, work: Callable[[Iterator[int]], T], tokens: int, count: int) -> Helper | None:
    answers, write = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(answers)
        os.close(write)
        return None
    if pid:
        os.close(write)
        return Helper(pid, answers)
    # Nothing of this process may go on as if it were the first one: no handler, no flush, no exit code but these.
    status = 1
    try:
        os.close(answers)
        done: set[int] = set()
        answer = pickle.dumps((work(_pieces(queue, tokens, count, done)), done), pickle.HIGHEST_PROTOCOL)
        with os.fdopen(write, "wb") as stream:
            stream.write(answer)
        status = 0
    finally:
        os._exit(status)


def _collect(helper: Helper) -> tuple[Any, set[int]] | None:
    """Return what a helper handed in; None when it failed."""
    with os.fdopen(helper.answers, "rb") as stream:
        data = stream.read()
    _pid, status = os.waitpid(helper.pid, 0)
    if status:
        return None
    answer: tuple[Any, set[int]] = pickle.loads(data)
    return answer
