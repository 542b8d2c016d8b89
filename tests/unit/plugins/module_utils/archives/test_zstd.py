"""zstd is unpacked by its library, and by the program where that is missing; both find the same."""

from __future__ import annotations

import random
import subprocess
import time
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.archives import zstd_pipe
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget, Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_library import load_library
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_pipe import unpack_zstd

DATA = b"text " * 100_000 + random.Random(1).randbytes(300_000) + bytes(1_000_000)
SKIPPED = b"\x53\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"


@pytest.fixture(autouse=True, params=["library", "program"])
def means(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name = str(request.param)
    if name == "program":
        monkeypatch.setattr(zstd_pipe, "load_library", lambda: None)
    else:
        assert load_library() is not None, "libzstd.so.1 is missing: install the package libzstd1"
        monkeypatch.setenv("PATH", "/nowhere")
    return name


def packed(data: bytes, *options: str) -> bytes:
    return subprocess.run(["/usr/bin/zstd", "-q", "-c", *options], input=data, stdout=subprocess.PIPE, check=True).stdout


def unpacked(data: bytes, chunk: int = 4096, **limits: Any) -> tuple[bytes, bool]:
    """Return what comes out, and whether all of it is covered by checksums."""
    unprotected: list[bool] = []
    chunks = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    budget = Budget(Limits(time.monotonic() + 60, **limits), len(data))
    parts = [bytes(part) for part in unpack_zstd(chunks, budget, lambda: unprotected.append(True))]
    return b"".join(parts), not unprotected


def problem_of(data: bytes, **limits: Any) -> ArchiveProblem:
    with pytest.raises(ArchiveProblem) as caught:
        unpacked(data, **limits)
    return caught.value


@pytest.mark.parametrize("chunk", [1000, 4096, 10**7])
@pytest.mark.parametrize("options", [("-1",), ("-19",), ("-3", "--no-check")])
def test_what_was_packed_comes_out(chunk: int, options: tuple[str, ...]) -> None:
    assert unpacked(packed(DATA, *options), chunk) == (DATA, "--no-check" not in options)


def test_frames_follow_one_another_and_some_are_skipped() -> None:
    data = packed(b"one") + SKIPPED + packed(b"") + packed(DATA) + SKIPPED
    for chunk in (17, 1000, 10**7):
        assert unpacked(data, chunk)[0] == b"one" + DATA
    assert unpacked(packed(b"one") + SKIPPED + packed(b"two"), 1)[0] == b"onetwo"


def test_nothing_is_cut_off() -> None:
    assert "is cut off" in problem_of(b"").message


def test_every_cut_is_told() -> None:
    data = packed(b"text" * 20)
    for length in range(len(data)):
        problem = problem_of(data[:length])
        assert isinstance(problem, Damaged)
        assert problem.cut_off, length
    data = packed(DATA)
    for length in range(1, len(data), len(data) // 20):
        assert "is cut off: its zstd stream ends before its end" in problem_of(data[:length]).message


def test_what_follows_the_end_is_told() -> None:
    data = packed(DATA)
    problem = problem_of(data + b"something else")
    assert problem.message == f"has bytes that are no part of it after its end, at byte {len(data)}"


def test_a_changed_bit_is_told() -> None:
    data = packed(DATA)
    chance = random.Random(5)
    for _number in range(30):
        at = chance.randrange(20, len(data))
        broken = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        problem = problem_of(broken)
        assert isinstance(problem, Damaged)
    wrong_sum = problem_of(data[:-1] + bytes([data[-1] ^ 1]))
    assert "is wrong (" in wrong_sum.message
    assert "Restored data doesn't match checksum" in wrong_sum.message


def test_a_window_beyond_the_limit_is_not_unpacked() -> None:
    data = packed(DATA * 20, "--long=25")
    problem = problem_of(data, decoder_bytes=24 * 2**20)
    assert isinstance(problem, Unread)
    assert "needs more memory than is allowed" in problem.message
    assert len(unpacked(data, decoder_bytes=64 * 2**20)[0]) == len(DATA) * 20


def test_limits_of_bytes_and_time_end_it() -> None:
    data = packed(bytes(300 * 2**20), "-1")
    assert "more than 2 times its size" in problem_of(data, ratio=2.0).message
    budget = Budget(Limits(time.monotonic() - 1), len(data))
    with pytest.raises(Unread, match="time limit"):
        list(unpack_zstd([data], budget, lambda: None))


def test_what_was_unpacked_before_an_error_comes_before_it(means: str) -> None:
    """Who reads an archive says behind which member it is damaged."""
    data = bytearray(packed(random.Random(2).randbytes(700_000)))
    data[600_000] ^= 255  # of bytes that could not be packed: only the checksum at the end shows it
    budget = Budget(Limits(time.monotonic() + 60), len(data))
    read = 0
    with pytest.raises(Damaged, match="is wrong"):
        for part in unpack_zstd([bytes(data[at : at + 10_000]) for at in range(0, len(data), 10_000)], budget, lambda: None):
            read += len(part)
    assert read > 600_000 or means == "program"


def test_it_is_unpacked_into_the_given_memory() -> None:
    view = memoryview(bytearray(100_000))
    parts = unpack_zstd([packed(DATA)], Budget(Limits(time.monotonic() + 60), 10**6), lambda: None, lambda: view)
    lengths = []
    for part in parts:
        assert part.obj is view.obj
        lengths.append(len(part))
    assert lengths == [100_000] * (len(DATA) // 100_000)


def test_what_ends_the_packed_bytes_ends_it(means: str) -> None:
    def broken() -> Any:
        yield packed(DATA)[:5000]
        raise Unread("could not be read at byte 5000")

    with pytest.raises(Unread, match="could not be read at byte 5000"):
        list(unpack_zstd(broken(), Budget(Limits(time.monotonic() + 60), 5000), lambda: None))
    assert means
