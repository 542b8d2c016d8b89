"""The calls of Linux that Python does not offer do what they say, or nothing where the host has none."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring import kernel_calls


def test_a_part_of_a_file_begins_to_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = kernel_calls._function("sync_file_range")
    answers: list[tuple[int, tuple[int, ...]]] = []

    def watched(descriptor: int, *arguments: Any) -> int:
        answers.append((call(descriptor, *arguments), tuple(argument.value for argument in arguments)))
        return answers[-1][0]

    monkeypatch.setattr(kernel_calls, "_function", lambda name: watched if name == "sync_file_range" else None)
    far = 3 * 2**32  # both halves of a long number arrive
    with open(tmp_path / "file", "wb") as file:
        file.truncate(far + 8192)
        kernel_calls.begin_write_back(file.fileno(), far, 4096)
        # The system refuses what is no range: it was these numbers that it took before.
        kernel_calls.begin_write_back(file.fileno(), far, -far - 1)
    kernel_calls.begin_write_back(-1, 0, 4096)
    begin_only = 2
    assert answers == [(0, (far, 4096, begin_only)), (-1, (far, -far - 1, begin_only)), (-1, (0, 4096, begin_only))]


def test_a_library_without_the_call_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Without:
        def __init__(self, *_arguments: Any, **_keywords: Any) -> None:
            pass

    monkeypatch.setattr(ctypes, "CDLL", Without)
    kernel_calls.begin_write_back(-1, 0, 4096)
