"""What is counted in blocks of lines: stack traces once, ignored lines never, signatures within a bound."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning import counting
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.counting import Counter
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.expressions import read_expression
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import Ignore, Limits, Pattern

NODE = b"""/app/server.js:10
    throw new Error('boom');
    ^

TypeError: boom is not a function
    at fetchError (/app/server.js:10:9)
    at async Error.handle (node:internal/error:1:2)
  [cause]: Error: connect ECONNREFUSED
      at TCPConnectWrap.afterConnect (node:net:1555:16) {
    code: 'ERR_X',
    error: 'again'
  }
}

Node.js v20.0.0
INFO goes on
"""
PINO = b"""[12:00:00.000] ERROR (12): boom
    err: {
      "type": "Error",
      "stack":
          Error: boom
              at x (y.js:1:1)
    }
[12:00:01.000] ERROR (12): again
"""
INDENTED = b"  2026-11-22 ERROR one\n  2026-11-22 ERROR two\n"


def counter(patterns: tuple[Pattern, ...] = (), ignores: tuple[Ignore, ...] = (), **more: Any) -> Counter:
    return Counter(patterns, ignores, **{"levels": True, "known": (), "max_matches": 5, **more})


def pattern(name: str, regex: str) -> Pattern:
    return Pattern(name, read_expression(regex, None, False, "p."), "warning", Limits(), ())


def ignore(text: str) -> Ignore:
    return Ignore(read_expression(None, text, False, "i."), "known", datetime(2099, 1, 1, tzinfo=timezone.utc), ())


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(("text", "errors"), [(NODE, 1), (PINO, 2), (NODE + NODE, 2), (b"    at x (y)\n", 0)])
def test_a_stack_trace_is_one_error_wherever_blocks_end(text: bytes, errors: int, cut: int) -> None:
    found = counter()
    lines = text.splitlines(keepends=True)
    for start in range(0, len(lines), cut):
        found.feed(b"".join(lines[start : start + cut]), "app.log")
    assert (found.errors, found.lines) == (errors, len(lines))


def test_an_indented_line_of_its_own_is_an_error_of_its_own() -> None:
    found = counter()
    found.feed(b"ERROR head\n    Error: part of it\nINFO between\n    Error: of its own\n", "app.log")
    assert found.errors == 2
    other = counter()
    other.begin_source()
    other.feed(b"ERROR head\n", "a.log")
    other.begin_source()
    other.feed(b"    Error: another file\n", "b.log")
    assert other.errors == 2


def test_patterns_and_levels_count_the_same_line_once_each() -> None:
    found = counter((pattern("slow", "slow"), pattern("end", r"slow\s*$"), pattern("none", "never")))
    found.feed(b"WARN slow\nINFO slow slow\n\x1b[31mERROR\x1b[39m slow\r\nINFO\n", "app.log")
    assert found.patterns == [3, 3, 0] and found.levels == {"fatal": 0, "error": 1, "warning": 1}
    assert [row["line"] for row in found.matches if row["pattern"] is None] == ["ERROR slow"]


def test_ignored_lines_count_nowhere_and_their_stack_neither() -> None:
    found = counter((pattern("reset", "ECONNRESET"),), (ignore("ECONNRESET"), ignore("never")))
    found.feed(b"ERROR ECONNRESET\n    Error: part of it\nECONNRESET\nERROR other\n", "app.log")
    assert (found.errors, found.patterns, found.ignored, found.used) == (1, [0], 2, {0})


def test_without_levels_only_patterns_count() -> None:
    found = counter((pattern("boom", "boom"),), levels=False)
    found.feed(b"ERROR boom\nERROR\n", "access.log")
    assert found.errors == 0 and found.patterns == [1]


def test_matches_are_few_and_the_rest_is_counted() -> None:
    found = counter((pattern("rare", "rare"),), max_matches=2)
    found.feed(b"ERROR often\n" * 50 + b"INFO rare\n", "app.log")
    assert [row["pattern"] for row in found.matches] == [None, None, "rare"] and found.left_out == 48


def test_signatures_are_bounded_and_known_ones_always_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_NEW_SIGNATURES", 3)
    first = counter()
    first.feed(b"ERROR known thing\n", "app.log")
    found = counter(known=set(first.signatures))
    words = "alpha beta gamma delta epsilon".split()
    found.feed("".join(f"ERROR {word}\nERROR {word}\n" for word in words).encode() + b"ERROR known thing\n", "app.log")
    assert [seen.text for seen in found.signatures.values()] == ["ERROR alpha", "ERROR beta", "ERROR gamma", "ERROR known thing"]
    assert [seen.count for seen in found.signatures.values()] == [2, 2, 2, 1] and found.folded == 4 and found.errors == 11


def test_levels_that_are_known_otherwise_count() -> None:
    found = counter()
    found.feed(b"went down\nall well\n", "journal", {0: "error"})
    assert found.errors == 1


@pytest.mark.parametrize("garbage", [b"\xff\xfe\n", b"ERROR \0\0\0\n", b"\n" * 1000, b"ERROR " + b"\x1b[" * 5000 + b"\n", b"<999>\n", b'{"level":\n'])
def test_garbage_is_counted(garbage: bytes) -> None:
    found = counter((pattern("any", r"x\s"),))
    found.feed(garbage * 3, "app.log")
    assert found.lines == 3 * garbage.count(b"\n")
    assert all(row["line"].isprintable() for row in found.matches)


def test_a_storm_of_distinct_lines_keeps_nothing_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_MAX_CACHED", 10)
    found = counter()
    found.feed("".join(f"ERROR {'x' * number} {number} failed\n" for number in range(1, 60)).encode() * 2, "app.log")
    assert len(found.signatures) == 59 and {seen.count for seen in found.signatures.values()} == {2}
    assert len(found._cached) <= 10
