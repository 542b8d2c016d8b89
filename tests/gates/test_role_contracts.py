"""A role's defaults, its argument spec and its form say the same thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from checkout import FQCN, PLAYBOOKS, ROLES, read_yaml, role_options, roles_of

WRITTEN_IN_ROLE = {"report", "platform", "notify", "custody", "exercise"}


#: Roles of a cadence that change something on the hosts.
ACTING_IN_A_CADENCE = {"logs"}
#: Roles that act when seconds count, or protect a host: a procedure that holds it for an hour must not keep them away. Their modules have a lock.
URGENT = {"containment", "security_rules"}
#: Roles that look, and act in a file of their own when a playbook asks for it.
ACTING_WHEN_ASKED = {"backups": "make.yml", "security_audit": "accept.yml"}
#: Roles that look with several calls: by name the parts, in their order, each a file with one task.
LOOKING_IN_PARTS = {"security_audit": ["logins", "processes", "ports", "files", "access", "blocks", "secrets"]}


def looking_roles() -> set[str]:
    """Return the roles that only look: those of a play that goes on after errors, without the platform role."""
    plays = [play for path in PLAYBOOKS for play in read_yaml(path)]
    roles = {role for play in plays if play.get("ignore_errors") for role in roles_of(play)}
    roles |= {entry["role"].rpartition(".")[2] for play in plays for entry in play["roles"] if entry.get("ignore_errors")}
    return roles - {"platform"} - ACTING_IN_A_CADENCE


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_each_option_is_required_or_has_the_default_of_the_role(role: Path) -> None:
    defaults = read_yaml(role / "defaults" / "main.yml") or {}
    options = role_options(role)
    promised = {name: option["default"] for name, option in options.items() if not option.get("required")}
    assert promised == defaults
    assert not [name for name, option in options.items() if option.get("required") and "default" in option]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_public_variables_carry_the_name_of_the_role(role: Path) -> None:
    assert [name for name in role_options(role) if not name.startswith(f"{role.name}_")] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_passwords_are_no_part_of_a_message(role: Path) -> None:
    open_to_see = [name for name, option in role_options(role).items() if name.endswith(("_password", "_passwords")) and not option.get("no_log")]
    assert open_to_see == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_other_files_of_a_role_are_there(role: Path) -> None:
    assert read_yaml(role / "meta" / "main.yml")["galaxy_info"]["description"]
    assert read_yaml(role / "tasks" / "main.yml")
    assert f"`{role.name}`" in (role / "README.md").read_text(encoding="utf-8").splitlines()[0]
    for tasks in (role / "tasks").glob("*.yml"):
        assert len(tasks.read_text(encoding="utf-8").splitlines()) <= 80, f"{tasks} is no table of contents any more"


@pytest.mark.parametrize("name", sorted(looking_roles() - LOOKING_IN_PARTS.keys()))
def test_a_role_that_looks_is_one_task_that_leaves_one_result(name: str) -> None:
    role = next(path for path in ROLES if path.name == name)
    tasks = read_yaml(role / "tasks" / "main.yml")
    if name in ACTING_WHEN_ASKED:
        included = [task["ansible.builtin.include_tasks"] for task in tasks if "ansible.builtin.include_tasks" in task]
        assert included[-1] == ACTING_WHEN_ASKED[name] and tasks[-len(included) - 1] is tasks[0]
        for other in included[:-1]:  # the same look with another engine
            (look,) = read_yaml(role / "tasks" / other)
            assert look["register"] == f"{name}_result"
        tasks = tasks[: -len(included)]
    else:
        assert [path.name for path in (role / "tasks").iterdir()] == ["main.yml"]
    assert len(tasks) == 1
    assert tasks[0]["register"] == f"{name}_result"
    assert [key for key in tasks[0] if key.startswith(f"{FQCN}.")], "it calls a module of the collection"
    assert "when" in tasks[0], "with nothing configured for a host the role is left out"
    assert not {"block", "loop", "ignore_errors", "failed_when"} & tasks[0].keys()


@pytest.mark.parametrize("name", LOOKING_IN_PARTS)
def test_a_role_that_looks_in_parts_is_a_task_for_each_and_joins_them_all(name: str) -> None:
    role, parts = next(path for path in ROLES if path.name == name), LOOKING_IN_PARTS[name]
    assert read_yaml(role / "defaults" / "main.yml")[f"{name}_parts"] == role_options(role)[f"{name}_parts"]["choices"] == parts
    kept, *looks, joined, compared, acting = read_yaml(role / "tasks" / "main.yml")
    assert [task["ansible.builtin.import_tasks"] for task in (kept, compared)] == ["digests_read.yml", "digests_compare.yml"]
    (kept,) = read_yaml(role / "tasks" / "digests_read.yml")
    assert kept["ignore_errors"] is kept["ignore_unreachable"] is True, "without the report host the parts look all the same"
    assert [task["ansible.builtin.import_tasks"] for task in looks] == [f"{part}.yml" for part in parts]
    assert {task["when"] for task in looks} == {f"not {name}_accept | bool"}
    for part in parts:
        (task,) = read_yaml(role / "tasks" / f"{part}.yml")
        assert [key for key in task if key.startswith(f"{FQCN}.")], "it calls a module of the collection"
        assert task["register"] == f"__{name}_{part}" and task["tags"] == [name, part]
        conditions = task["when"] if isinstance(task["when"], list) else [task["when"]]
        assert conditions[0] == f"'{part}' in {name}_parts"
        assert not {"block", "loop", "ignore_errors", "failed_when"} & task.keys()
        assert f"'{part}': __{name}_{part} | default({{}})" in joined["ansible.builtin.set_fact"][f"{name}_result"]
        assert f"__{name}_{part} is defined" in joined["when"]
    # One that asked for the name of the role would be skipped with a part that is, and would leave no result.
    assert joined["tags"] == acting["tags"] == ["always"]
    assert acting["ansible.builtin.include_tasks"] == ACTING_WHEN_ASKED[name]
    assert acting["when"] == f"{name}_accept | bool"


@pytest.mark.parametrize("name", sorted(ACTING_WHEN_ASKED))
def test_a_role_that_acts_when_asked_does_so_under_a_lease_and_leaves_one_result(name: str) -> None:
    role = next(path for path in ROLES if path.name == name)
    acting, result, *_said, reason = read_yaml(role / "tasks" / ACTING_WHEN_ASKED[name])
    assert (acting["ignore_errors"], acting["ignore_unreachable"]) == (False, True)
    assert held_and_released(acting) == {"held": ["block"], "released": ["block", "rescue"]}
    assert f"{name}_result" in result["ansible.builtin.set_fact"], "after a failure too"
    assert "ansible.builtin.fail" in reason, "where no report follows"


def held_and_released(block: dict[str, Any]) -> dict[str, list[str]]:
    """Return in which parts of an acting block the lease of the host is taken and given back."""
    leases: dict[str, list[str]] = {"held": [], "released": []}
    for part in ("block", "rescue"):
        for task in block[part]:
            if f"{FQCN}.lease" in task:
                leases[task[f"{FQCN}.lease"].get("state", "held")].append(part)
    return leases


def acting_roles() -> list[Path]:
    return [role for role in ROLES if role.name not in looking_roles() | WRITTEN_IN_ROLE]


@pytest.mark.parametrize("role", acting_roles(), ids=lambda role: role.name)
def test_a_role_that_acts_is_one_block_that_puts_back_and_raises_again(role: Path) -> None:
    blocks = [task for task in read_yaml(role / "tasks" / "main.yml") if "block" in task]
    assert len(blocks) == 1
    block = blocks[0]
    # An inherited ignore_errors would disable the rescue.
    assert block["ignore_errors"] is False
    results = [task for task in block["rescue"] if f"{role.name}_result" in task.get("ansible.builtin.set_fact", {})]
    assert results, "the rescue leaves a result for the report"
    if role.name in ACTING_IN_A_CADENCE:
        # Failing within the block, which does not ignore errors, would take the host out of the rest of the run.
        assert not [task for task in block["rescue"] if "ansible.builtin.fail" in task]
        assert "ansible.builtin.fail" in read_yaml(role / "tasks" / "main.yml")[-1]
        acting = [key for task in block["block"] for key in task if key.startswith(f"{FQCN}.")]
        assert len(acting) == 1, "one acting module holds the lock of the host by itself; several need a lease"
        return
    assert "ansible.builtin.fail" in block["rescue"][-1]
    if role.name in URGENT:
        assert held_and_released(block) == {"held": [], "released": []}
        return
    assert held_and_released(block) == {"held": ["block"], "released": ["block", "rescue"]}


def test_a_host_is_given_back_only_when_that_is_named() -> None:
    block = next(task for task in read_yaml(next(role for role in ROLES if role.name == "containment") / "tasks" / "main.yml") if "block" in task)
    imported = {task["ansible.builtin.import_tasks"]: task for task in block["block"] if "ansible.builtin.import_tasks" in task}
    assert imported["release.yml"]["tags"] == ["never", "release"] and imported["release.yml"]["when"] == "'release' in containment_steps"
    assert imported["isolate.yml"]["tags"] == ["isolate"] and imported["block.yml"]["tags"] == ["block"]
    # What a skipped step shares with the others must run all the same.
    assert all(task["tags"] == ["always"] for task in [*block["block"][4:], *block["rescue"]])
