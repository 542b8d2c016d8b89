"""Who may run what as whom, from sudoers and all that it includes."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review import sudoers
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.access import read_access
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.sudoers import Sudoers, read_sudoers
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_review.prepared_host import Place


def read(place: Place, text: str) -> Sudoers:
    place.write("/etc/sudoers", text, 0o440)
    found = read_sudoers(Host(str(place.root)))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("line", "rights"),
    [
        ("root ALL=(ALL:ALL) ALL", [("root", "ALL:ALL", False, "ALL")]),
        ("%sudo\tALL = (ALL : ALL) ALL # admins", [("%sudo", "ALL:ALL", False, "ALL")]),
        ("ada ALL=NOPASSWD: /bin/a, /bin/b -x", [("ada", "root", True, "/bin/a, /bin/b -x")]),
        ("ada ALL=(root) NOPASSWD: /bin/a, PASSWD: /bin/b", [("ada", "root", True, "/bin/a"), ("ada", "root", False, "/bin/b")]),
        ("ada ALL=(bob) /bin/a, (eve) NOPASSWD:NOEXEC: ALL", [("ada", "bob", False, "/bin/a"), ("ada", "eve", True, "ALL")]),
        ("ada, bob ALL=ALL", [("ada", "root", False, "ALL"), ("bob", "root", False, "ALL")]),
        ("#1000 web1,web2=/bin/a", [("#1000", "root", False, "/bin/a")]),
        ("ada ALL=(ALL) ALL, \\\n  !/bin/su", [("ada", "ALL", False, "ALL, !/bin/su")]),
        ("ALL ALL=(ALL) NOPASSWD: ALL", [("ALL", "ALL", True, "ALL")]),
        ("ada ALL=/bin/echo a\\,b", [("ada", "root", False, "/bin/echo a\\,b")]),
        ("Defaults env_reset\nDefaults:ada !authenticate", []),
    ],
)
def test_rules_in_the_usual_forms(place: Place, line: str, rights: list[tuple[str, str, bool, str]]) -> None:
    found = read(place, line + "\n")
    assert [right[:4] for right in found.rights] == rights
    assert found.odd == []


def test_aliases_are_resolved(place: Place) -> None:
    found = read(
        place,
        "User_Alias ADMINS = ada, %wheel : OTHERS = bob\nCmnd_Alias TOOLS = /bin/a, MORE\nCmnd_Alias MORE = /bin/b\n"
        "Runas_Alias WEB = www-data\nADMINS ALL=(WEB) NOPASSWD: TOOLS\nUser_Alias LOOP = LOOP\nLOOP ALL=/bin/c\n",
    )
    assert [right[:4] for right in found.rights if right.who != "LOOP"] == [
        ("ada", "www-data", True, "/bin/a, /bin/b"), ("%wheel", "www-data", True, "/bin/a, /bin/b"),
    ]  # fmt: skip


def test_includes_are_followed_as_sudo_does(place: Place) -> None:
    place.write("/etc/sudoers.d/10-ada", "ada ALL=/bin/a\n")
    place.write("/etc/sudoers.d/ignored.bak", "eve ALL=ALL\n")
    place.write("/etc/sudoers.d/ignored~", "eve ALL=ALL\n")
    place.write("/etc/more", "bob ALL=/bin/b\n#include /etc/sudoers\n")
    found = read(place, "#includedir /etc/sudoers.d\n@include more\n@include /etc/gone\n@includedir /etc/nothing\n")
    assert [(right.who, right.place) for right in found.rights] == [("ada", "/etc/sudoers.d/10-ada:1"), ("bob", "/etc/more:1")]
    assert [path for path, _reason in found.unseen] == ["/etc/gone"]


def test_what_is_not_understood_is_counted(place: Place) -> None:
    found = read(place, "nonsense\nada a=/bin/x : b=/bin/y\n\xff\x1b[2J\nada ALL=(bob)\n@include /etc/%h\n")
    assert found.rights == []
    assert len(found.odd) == 5


def test_members_of_groups_and_numbers_have_the_right(place: Place) -> None:
    place.write("/etc/sudoers", "%sudo ALL=ALL\n#1001 ALL=/bin/b\n%gone ALL=ALL\n")
    access = read_access(Host(str(place.root)))
    assert access.items()["sudo"] == ["ada as %sudo (root) ALL", "bob as #1001 (root) /bin/b", "%gone as %gone (root) ALL"]


def test_no_sudoers_is_none(place: Place) -> None:
    assert read_sudoers(Host(str(place.root))) is None


@pytest.mark.parametrize(
    "line",
    ['"a"' * 200, "\\" * 999 + "x", "a " * 5000, "a ,a " * 5000 + ",=x", "@include " + "\\" * 500 + " x", "ada ALL=(" + " " * 20_000, "x" * 70_000],
    ids=["quotes", "backslashes", "words", "lists", "include", "spaces", "long"],
)
def test_a_line_that_fits_no_form_is_told_at_once(place: Place, line: str) -> None:
    found = read(place, f"{line}\nada ALL=/bin/a\n")
    assert ([right.who for right in found.rights], len(found.odd)) == (["ada"], 1)


def test_what_is_beyond_a_limit_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sudoers, "MAX_RULES", 2)
    monkeypatch.setattr(sudoers, "MAX_FILES", 2)
    monkeypatch.setattr(sudoers, "_MAX_ITEMS", 3)
    for name in ("a", "b"):
        place.write(f"/etc/sudoers.d/{name}", "")
    found = read(place, "a ALL=/x\nb ALL=/x\neve ALL=ALL\n@includedir /etc/sudoers.d\n")
    assert (found.odd, [path for path, _reason in found.unseen]) == (["/etc/sudoers:3"], ["/etc/sudoers.d/b"])
    assert read(place, "a,b,c,eve ALL=ALL\n").odd == ["/etc/sudoers:1"]
    many = "".join(f"User_Alias A{number} = " + ", ".join([f"A{number + 1}"] * 50) + "\n" for number in range(12))
    assert read(place, many + "A0 ALL=ALL\n").odd


def test_who_is_asked_for_no_password_by_a_default_is_told(place: Place) -> None:
    found = read(place, "User_Alias OPS = ada, bob\nDefaults:OPS env_reset, ! authenticate\nDefaults !authenticate\nDefaults authenticate\n")
    assert found.not_asked == [("ada", "/etc/sudoers:2"), ("bob", "/etc/sudoers:2"), ("ALL", "/etc/sudoers:3")]
