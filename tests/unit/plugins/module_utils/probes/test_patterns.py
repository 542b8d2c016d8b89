"""Searching with patterns that may be careless."""

from __future__ import annotations

import time

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Unchecked
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.patterns import found, found_in


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("ok", "all ok", True),
        ("ok", "no", False),
        ("^a.*z$", "a" * 100 + "z", True),
        ("^a.*b.*z$", "a" * 5000 + "b\nz", False),
        ("(?s)^a.*b.*z$", "a" * 5000 + "b\nz", True),
        ("x*y+", "\u00e4\U0001f600\\xff" * 3000 + "y", True),
        ("(ab)+", "abab", True),
        ("(ab)+c+", "a\0bababc", True),
        ("^$", "", True),
        ("b+.*c*", "", False),
    ],
)
def test_a_pattern_is_found_or_not_however_it_is_searched(pattern, text, expected):
    assert found(pattern, text, Deadline(30)) is expected


def test_many_texts_are_searched_at_once():
    texts = ["node server", "", "vim\nserver", "java -jar server"]
    assert found_in("^(node|java).*server$", texts, Deadline(30)) == [True, False, False, True]
    assert found_in("^[nj].+serv.+$", texts, Deadline(30)) == [True, False, False, True]
    assert found_in("a+b+", [], Deadline(30)) == []


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a+b?)+$", r"(.*)*x", "(a{1,}){1,}$", "a?" * 60 + "a" * 170 + "$", "(a|a)" * 60 + "$"])
def test_a_search_without_end_ends_at_the_deadline(pattern):
    start = time.monotonic()
    with pytest.raises(Unchecked, match="took too long") as problem:
        found(pattern, "a" * 200 + "!", Deadline(0.5))
    assert time.monotonic() - start < 10
    assert "simpler pattern" in problem.value.hint
