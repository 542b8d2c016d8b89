"""Which lines are errors, warnings or neither, as services write them."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.levels import candidate_starts, is_frame, level_of

LINES = [
    (b"2026-11-22T05:00:00.123Z error: request failed", "error"),
    (b"2026-11-22 05:00:00,123 ERROR [main] failed", "error"),
    (b"[2026-11-22 05:00:00.000] ERROR (123): boom", "error"),
    (b"2026/11/22 05:00:00 [error] 12#0: *1 open() failed", "error"),
    (b"2026/11/22 05:00:00 [warn] 12#0: a buffer", "warning"),
    (b"[Sun Nov 22 05:00:00 2026] [core:error] [pid 1] AH1", "error"),
    (b"level=error msg=failed", "error"),
    (b'time=1 level="warning" msg=slow', "warning"),
    (b"app | error | failed", "error"),
    (b"npm ERR! code ELIFECYCLE", "error"),
    (b"FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "fatal"),
    (b"2026-11-22 [CRITICAL] disk", "fatal"),
    (b"panic: runtime error: index out of range", "fatal"),
    (b"Warning: a is deprecated", "warning"),
    (b"WARNING", "warning"),
    (b"TypeError: Cannot read properties of undefined", "error"),
    (b"Error [ERR_HTTP_HEADERS_SENT]: Cannot set headers", "error"),
    (b"(node:12) UnhandledPromiseRejectionWarning: Error: nobody caught it", "error"),
    (b"[UnhandledPromiseRejection: This error originated either by throwing]", "error"),
    (b"Uncaught ReferenceError: x is not defined", "error"),
    (b"Traceback (most recent call last):", "error"),
    (b"java.lang.NullPointerException: null", "error"),
    (b'{"level":50,"time":1,"msg":"failed"}', "error"),
    (b'{"level": 60, "msg": "gone"}', "fatal"),
    (b'{"level":40,"msg":"slow"}', "warning"),
    (b'{"level":30,"msg":"error: the text of a harmless line"}', None),
    (b'{"level":"error","message":"x"}', "error"),
    (b'{"severity":"CRITICAL","message":"x"}', "fatal"),
    (b'{"level":"info","err":null,"message":"0 errors"}', None),
    (b'{"level":3,"short_message":"GELF"}', "error"),
    (b'{"level":6,"short_message":"GELF error"}', None),
    (b"<11>Nov 22 05:00:00 host app: failed", "error"),
    (b"<12>Nov 22 05:00:00 host app: slow", "warning"),
    (b"<8>Nov 22 05:00:00 host app: gone", "fatal"),
    (b"<14>Nov 22 05:00:00 host app: no error: at all", None),
    (b"2026-11-22 INFO done, no Error: here", None),
    (b"info: retry after error: timeout", None),
    (b"GET /error.html HTTP/1.1 200", None),
    (b"transferred 12 files, 0 errors found", None),
    (b"the errand of a warner", None),
    (b"error=none code=ERR_X", None),
    (b"", None),
]


@pytest.mark.parametrize(("line", "level"), LINES)
def test_the_level_of_a_line(line: bytes, level: str | None) -> None:
    assert level_of(line) == level


def test_every_line_with_a_level_is_a_candidate_wherever_it_stands() -> None:
    block = b"".join(line + b"\n" for line, _level in LINES)
    starts = candidate_starts(block)
    position = 0
    for line, level in LINES:
        assert level is None or position in starts, line
        position += len(line) + 1
    assert all(start == 0 or block[start - 1 : start] == b"\n" for start in starts)
    assert candidate_starts(b'{"level":30,"msg":"ok"}\n{"level":20,"msg":"ok"}\nall is well\n') == set()


@pytest.mark.parametrize(
    ("line", "frame"),
    [(b"    at foo (/app/x.js:1:2)", True), (b"\tat a.b.C(D.java:1)", True), (b'  File "x.py", line 1', True), (b"at noon", False)],
)
def test_steps_of_a_stack_trace(line: bytes, frame: bool) -> None:
    assert is_frame(line) is frame
