"""Patterns of sources as patterns of restic. That both leave out the same is proved with restic itself (tests/integration)."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.arguments import literal
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.exclusion import (
    Tree,
    part_patterns,
    refuse_inexpressible,
    restic_patterns,
)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("node_modules", ["/opt/app/**/node_modules"]),
        ("node_modules/", ["/opt/app/**/node_modules"]),
        ("*.log", ["/opt/app/**/*.log"]),
        ("a**b", ["/opt/app/**/a*b"]),
        ("[!a-c]?", ["/opt/app/**/[^a-c]?"]),
        ("[]]", ["/opt/app/**/[\\]]"]),
        ("[^a]", ["/opt/app/**/[\\^a]"]),
        ("[a", ["/opt/app/**/\\[a"]),
        ("q\\w", ["/opt/app/**/q\\\\w"]),
        ("./logs/old", ["/opt/app/logs/old"]),
        ("logs/*.gz", ["/opt/app/logs/*.gz", "/opt/app/logs/*/*.gz", "/opt/app/logs/*/**/*.gz"]),
        ("/opt/app/tmp", ["/opt/app/tmp"]),
        ("/opt/other/tmp", []),
        ("/opt/application/tmp", []),
    ],
)
def test_patterns_below_a_tree(pattern: str, expected: list[str]) -> None:
    assert restic_patterns([Tree("/opt/app", (pattern,))]) == expected


def test_the_path_of_a_tree_is_meant_literally() -> None:
    assert restic_patterns([Tree("/srv/a[1]*", ("x",))]) == ["/srv/a\\[1\\]\\*/**/x"]
    assert literal("/a?b\\c") == "/a\\?b\\\\c"
    assert part_patterns("/srv/a*", ["config/"]) == ["/srv/a\\*/config"]


@pytest.mark.parametrize(
    ("trees", "said"),
    [
        ([Tree("/", ())], "restic is not given / as a whole"),
        ([Tree("/a", ("x",)), Tree("/a/b", ())], "/a/b lies inside /a and has another exclude"),
        ([Tree("/a", ("x",)), Tree("/a/x/b", ("x",))], "/a/x is left out of /a by 'x'"),
    ],
)
def test_trees_that_restic_cannot_tell_apart_are_refused(trees: list[Tree], said: str) -> None:
    with pytest.raises(UpkeepError, match="sources: ") as caught:
        refuse_inexpressible(trees)
    assert said in caught.value.message


def test_trees_that_it_can() -> None:
    refuse_inexpressible([Tree("/a", ("x",)), Tree("/a/b", ("x",)), Tree("/ab", ())])


@pytest.mark.parametrize("pattern", ["/opt/*/tmp", "/o*", "a/*/*/*/*/*", "[a/b]c", "[b-a]"])
def test_patterns_that_restic_does_not_have_are_refused(pattern: str) -> None:
    with pytest.raises(UpkeepError, match="exclude: "):
        restic_patterns([Tree("/opt/app", (pattern,))])
