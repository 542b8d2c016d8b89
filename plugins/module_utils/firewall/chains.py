# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of a table as short texts, so that those in the kernel can be compared with those that should be there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Chain:
    """A chain of the kernel.

    :ivar hook: such as ``input``; None for a chain that hangs on no hook.
    :ivar rules: one text for each rule, without its counters.
    """

    hook: str | None
    priority: int | None
    policy: str | None
    rules: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Counted:
    """What the counters of a rule have seen."""

    packets: int
    bytes: int


def read_chains(objects: Iterable[dict[str, Any]]) -> dict[str, Chain]:
    """Return the chains of a table, by name. Those of a table that is dormant hang on no hook, whatever they are written for."""
    chains: dict[str, Chain] = {}
    flags = None
    for one in objects:
        if "table" in one:
            flags = one["table"].get("flags")  # ours has none; some versions of nft write other words here than the flags
        elif "chain" in one:
            row = one["chain"]
            chains[row["name"]] = Chain(None if flags else row.get("hook"), row.get("prio"), row.get("policy"))
        elif "rule" in one:
            chains[one["rule"]["chain"]].rules.append(rule_text(one["rule"]["expr"]))
    return chains


def read_counters(objects: Iterable[dict[str, Any]]) -> dict[tuple[str, str], Counted]:
    """Return what each counting rule has seen, by chain and text of the rule."""
    found = {}
    for one in objects:
        if "rule" not in one:
            continue
        rule = one["rule"]
        for part in rule["expr"]:
            if isinstance(part.get("counter"), dict):
                counter = part["counter"]
                found[rule["chain"], rule_text(rule["expr"])] = Counted(int(counter["packets"]), int(counter["bytes"]))
    return found


def rule_text(parts: Iterable[dict[str, Any]]) -> str:
    """Return a rule as our templates write it, without counters; what they never hold stays JSON."""
    return " ".join(text for text in map(_part, parts) if text)


def _part(part: dict[str, Any]) -> str:
    if "counter" in part:
        return ""
    for verdict in ("accept", "drop"):
        if verdict in part:
            return verdict
    match = part.get("match")
    if match is not None and match.get("op") in ("==", "in"):
        left, right = match["left"], match["right"]
        if "meta" in left:
            return f"{left['meta']['key']} {_value(right)}"
        if "payload" in left and "field" in left["payload"]:
            return f"{left['payload']['protocol']} {left['payload']['field']} {_value(right)}"
    return json.dumps(part, sort_keys=True)


def _value(value: Any) -> str:
    if isinstance(value, dict) and list(value) == ["set"]:
        return "{ " + ", ".join(sorted(_value(item) for item in value["set"])) + " }"
    if isinstance(value, dict) and list(value) == ["prefix"]:
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    return str(value)
