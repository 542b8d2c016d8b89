# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The description of a platform, checked as a whole and normalized. ``docs/platform.md`` explains every key.

Everything that roles look at derives from the value that :func:`validate_platform` returns, so that a mistake is said
once, with its place, and not found as a check that was never made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_refusals import refuse_texts
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_rules import check_rules
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_schema import PLATFORM
from ansible_collections.upkeep.runbook.plugins.module_utils.schema_problems import (
    Problems,
    key_path,
    shown,
    suggestion,
)

MAX_PROBLEMS = 20
MAX_NAMED_EXAMPLES = 5

WHAT_TO_WRITE = (
    "upkeep_platform {state}: describe the platform in the inventory, for example in group_vars/all.yml, with "
    "at least `upkeep_platform: {{name: My platform, root: /opt/my-platform}}` (every key: docs/platform.md of "
    "upkeep.runbook, examples: its inventories)"
)

Groups = Mapping[str, Sequence[str]]


class PlatformError(UpkeepError):
    """The description of the platform is wrong; the message lists everything that is."""


class Validated(NamedTuple):
    """A description without mistakes: every key present, and sentences about what deserves a look."""

    platform: dict[str, Any]
    warnings: list[str]


def validate_platform(description: Any, *, groups: Groups | None = None) -> Validated:
    """Check a platform description and normalize it.

    :param description: what the user wrote as ``upkeep_platform``; plain dictionaries, lists and values.
    :param groups: the hosts of each group of the inventory; None when unknown, then ``hosts`` are taken as they are.
    :raises PlatformError: naming every mistake by path, index and key, with what is accepted; bounded.
    """
    if description is None or description == {} or description == "":
        raise PlatformError(WHAT_TO_WRITE.format(state="is not set"))
    if not isinstance(description, Mapping):
        raise PlatformError(WHAT_TO_WRITE.format(state=f"must be a mapping, not {shown(description)}"))
    problems = Problems()
    examples = refuse_texts(description, problems)
    platform = PLATFORM.read(description, "", problems) or {}
    warnings = check_rules(platform, problems)
    # Without any host the inventory is the implicit localhost, which no group names.
    if groups and any(groups.values()):
        warnings += _check_hosts(platform, groups, problems)
    if len(problems):
        raise PlatformError(_everything_wrong(problems.sentences(description)))
    return Validated(platform, warnings + _about_examples(examples))


def _check_hosts(platform: dict[str, Any], groups: Groups, problems: Problems) -> list[str]:
    """Note hosts and groups that the inventory does not have; return warnings about groups that are empty."""
    hosts = {host for members in groups.values() for host in members}
    known = sorted(hosts | set(groups))
    warnings = []
    for path, names in _named_hosts(platform, ""):
        for index, name in enumerate(names):
            if name not in hosts and name not in groups:
                close = suggestion(name, known) or ";"
                accepted = ", ".join(known[:MAX_PROBLEMS]) + (", …" if len(known) > MAX_PROBLEMS else "")
                message = f"{shown(name)} is no host or group of the inventory{close} accepted: {accepted}"
                problems.add(f"{path}[{index}]", message)
            elif name not in hosts and not groups[name]:
                warnings.append(f"{path}[{index}]: the group {shown(name)} has no hosts: nobody looks after this item")
    return warnings


def _named_hosts(value: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("hosts", "root_hosts"):
                yield key_path(path, key), item
            else:
                yield from _named_hosts(item, key_path(path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _named_hosts(item, f"{path}[{index}]")


def _everything_wrong(sentences: list[str]) -> str:
    where = "every key is explained in docs/platform.md of upkeep.runbook"
    if len(sentences) == 1:
        return f"upkeep_platform is wrong: {sentences[0]} ({where})"
    listed = [f"- {sentence}" for sentence in sentences[:MAX_PROBLEMS]]
    if len(sentences) > MAX_PROBLEMS:
        listed.append(f"- and {len(sentences) - MAX_PROBLEMS} more")
    return "\n".join([f"upkeep_platform has {len(sentences)} mistakes ({where}):", *listed])


def _about_examples(paths: list[str]) -> list[str]:
    if not paths:
        return []
    named = ", ".join(paths[:MAX_NAMED_EXAMPLES])
    more = f" and {len(paths) - MAX_NAMED_EXAMPLES} more" if len(paths) > MAX_NAMED_EXAMPLES else ""
    return [f"names or addresses that are only examples stand in {named}{more}: write the real ones"]
