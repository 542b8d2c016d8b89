"""What holds for the whole repository: no ignore files, nobody's machine, pages and files that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from ansible.parsing.splitter import parse_kv
from ansible_collections.upkeep.runbook.plugins.module_utils.extra_variables import extra_variable
from checkout import CHECKOUT, read_yaml, tracked_files

REQUIREMENT_FILES = sorted([*CHECKOUT.glob("requirements*.txt"), *CHECKOUT.glob("meta/*requirements.txt")])
#: The home or work directory of the machine on which somebody wrote a file.
MACHINE_PATH = re.compile(r"(?<![\w.}/-])/(?:work|root|Users)/\w")
#: ``-e name='two words'``: the shell takes the quotes off, and Ansible takes the first word.
HALF_GIVEN = re.compile(r"""-e \w+=(?:'[^'\s][^'\n]*\s[^'\n]*'|"[^"\s][^"\n]*\s[^"\n]*")""")
PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==[^ *]+( ; .+)?")


def texts() -> list[tuple[str, str]]:
    """Return the name and the text of every tracked file outside the tests."""
    found = []
    for path in tracked_files():
        name = str(path.relative_to(CHECKOUT))
        content = path.read_bytes()
        if not name.startswith("tests/") and b"\0" not in content:
            found.append((name, content.decode("utf-8")))
    return found


def requirements() -> dict[str, list[str]]:
    lines = {path.name: path.read_text(encoding="utf-8").splitlines() for path in REQUIREMENT_FILES}
    return {name: [line for line in of if line and not line.startswith(("#", "-r "))] for name, of in lines.items()}


def test_sanity_has_no_ignore_file() -> None:
    assert list((CHECKOUT / "tests").glob("sanity/ignore*")) == []


def test_no_file_names_the_machine_it_was_written_on() -> None:
    found = [f"{name}: {match[0]}" for name, text in texts() for match in MACHINE_PATH.finditer(text)]
    assert found == []


def test_no_command_gives_a_variable_its_first_word_only() -> None:
    found = [f"{name}: {match[0]}" for name, text in texts() for match in HALF_GIVEN.finditer(text)]
    assert found == []


@pytest.mark.parametrize("value", ["why", "NeuroSense FX", "Bob's shop", "a=b c, d; $(id) `id` {x}"])
def test_a_command_that_a_message_names_gives_the_whole_value(value: str) -> None:
    option, given = shlex.split(extra_variable("upkeep_confirm", value))
    assert (option, parse_kv(given)) == ("-e", {"upkeep_confirm": value})


def test_no_link_is_tracked() -> None:
    assert [path for path in tracked_files() if path.is_symlink()] == []


@pytest.mark.parametrize("path", sorted((CHECKOUT / "plugins" / "module_utils").rglob("*.py")), ids=lambda path: path.stem)
def test_a_domain_file_has_one_subject(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    assert path.stem not in {"utils", "helpers", "common", "misc"}


def test_every_requirement_is_pinned_exactly() -> None:
    loose = [f"{name}: {line}" for name, lines in requirements().items() for line in lines if not PINNED.fullmatch(line)]
    assert loose == []


def test_the_execution_environment_installs_what_a_controller_has() -> None:
    environment = read_yaml(CHECKOUT / "meta" / "execution-environment.yml")
    assert environment["version"] == 1
    files = environment["dependencies"]
    assert set(requirements()[Path(files["python"]).name]) <= set(requirements()["requirements.txt"])
    assert all((CHECKOUT / name).is_file() for name in files.values())


def test_the_page_of_dependencies_lists_exactly_what_is_required() -> None:
    names = {PINNED.fullmatch(line)["name"] for lines in requirements().values() for line in lines}  # type: ignore[index]
    table = (CHECKOUT / "scripts" / "system_packages.sh").read_text(encoding="utf-8").split("TABLE")[1]
    names |= {line.split()[2] for line in table.splitlines() if len(line.split()) == 3}
    names |= set(read_yaml(CHECKOUT / "roles" / "prerequisites" / "defaults" / "main.yml")["prerequisites_packages"])
    page = (CHECKOUT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([^`]+)` \| \S", page, flags=re.MULTILINE)
    assert sorted(listed) == sorted(names)


def test_the_files_that_the_coverage_page_names_exist() -> None:
    page = (CHECKOUT / "docs" / "coverage.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:playbooks|roles|plugins|tests|molecule|docs|inventories)/[^`]*)`", page))
    assert named
    assert sorted(name for name in named if not list(CHECKOUT.glob(name))) == []


@pytest.mark.parametrize("name", [name for name, _text in texts() if name.endswith(".md")])
def test_relative_links_between_pages_lead_somewhere(name: str) -> None:
    page = CHECKOUT / name
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("path", sorted((CHECKOUT / "plugins" / "filter").glob("*.py")), ids=lambda path: path.stem)
def test_a_filter_file_loads_at_once(path: Path) -> None:
    """Ansible loads all filters of a collection in each worker that uses one, so what they need is imported when it is used."""
    early = re.findall(r"^(?:from|import) ansible_collections\S*module_utils.*", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert not early
