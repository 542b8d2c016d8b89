# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exercises of incidents: what is written down of one, and which of those that were held was the last."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.custody.entries import MAX_DETAILS_BYTES, Entry
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

STEP = "exercise"
PLANNED, HELD = "planned", "held"
_OUTCOMES = {PLANNED: "planned", HELD: "done"}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MAX_ITEMS = 100
_ACTION = ("action", "owner", "due")
#: Somewhere it is tomorrow already.
_AHEAD = timedelta(days=1)


@dataclass(frozen=True)
class Held:
    """An exercise that was held. :ivar actions: how many were agreed."""

    exercise: str
    day: date
    scenario: str
    actions: int


def exercise_entry(params: Mapping[str, Any], now: datetime, known: date | None = None) -> Entry:
    """Return what the custody log of an exercise is to hold of it.

    :param params: the options of the module ``incident_exercise``.
    :param known: the day on which it was held, as the log says already: who corrects something else does not move it.
    :raises UpkeepError: naming the option and what is wrong with it.
    """
    held = params["state"] == HELD
    scenario = plain(params["scenario"] or "")
    if not scenario:
        raise UpkeepError("scenario is empty; say what happens in the exercise, such as 'A key of the deploy user was stolen'")
    for name in ("participants", "findings", "actions"):
        if len(params[name]) > _MAX_ITEMS:
            raise UpkeepError(f"{name}: {len(params[name])} are given; give up to {_MAX_ITEMS}")
    participants = _texts(params["participants"], "participants")
    details: dict[str, Any] = {"platform": plain(params["platform"]), "scenario": scenario, "participants": participants}
    if held:
        if not participants:
            raise UpkeepError("participants is empty; say who took part")
        details["held"] = _held(params["held"], known, now)
        details["findings"] = _texts(params["findings"], "findings")
        details["actions"] = [_action(given, f"actions[{index}].") for index, given in enumerate(params["actions"])]
        came_of_it = f"{_count(details['findings'], 'finding')}, {_count(details['actions'], 'action')}"
        summary = f"Held on {details['held']} with {_count(participants, 'participant')}: {scenario} ({came_of_it})"
    else:
        if params["findings"] or params["actions"] or params["held"]:
            raise UpkeepError("findings, actions and held belong to an exercise that was held: state=held")
        summary = f"Planned with {_count(participants, 'participant')}: {scenario}"
    if len(json.dumps(details)) > MAX_DETAILS_BYTES:
        raise UpkeepError(f"what is to be written down has more than {MAX_DETAILS_BYTES} bytes; write less, and name the document that holds the rest")
    return Entry("", STEP, _OUTCOMES[params["state"]], summary, details)


def held_in(row: Mapping[str, Any], exercise: str, platform: str, now: datetime) -> Held | None:
    """Return the exercise that an entry of a custody log tells of; None for another entry, or one that lies in the future.

    :param exercise: id of the exercise whose log it is.
    """
    details = row.get("details")
    if row.get("step") != STEP or row.get("outcome") != _OUTCOMES[HELD] or not isinstance(details, Mapping):
        return None
    if details.get("platform") != plain(platform):
        return None
    try:
        day = _day(str(details.get("held")))
    except ValueError:
        return None
    actions = details.get("actions")
    if day > (now + _AHEAD).date():
        return None
    return Held(exercise, day, plain(str(details.get("scenario")), 200), len(actions) if isinstance(actions, list) else 0)


def is_same(entry: Entry, row: Mapping[str, Any] | None) -> bool:
    """Tell whether an entry of a log says already what is to be written."""
    return row is not None and (row.get("step"), row.get("outcome"), row.get("details")) == (entry.step, entry.outcome, entry.details)


def _held(text: str | None, known: date | None, now: datetime) -> str:
    try:
        day = _day(text) if text else known or now.date()
    except ValueError:
        raise UpkeepError(f"held: {plain(str(text), 40)!r} is no day; give one such as {now:%Y-%m-%d}") from None
    if day > (now + _AHEAD).date():
        raise UpkeepError(f"held: {day} is in the future; an exercise that is to come is state=planned")
    return day.isoformat()


def _action(given: Mapping[str, Any], where: str) -> dict[str, str]:
    texts = {name: plain(given[name]) for name in _ACTION}
    for name, text in texts.items():
        if not text:
            raise UpkeepError(f"{where}{name} is empty; an action has somebody who does it, and a day by which it is done")
    try:
        texts["due"] = _day(texts["due"]).isoformat()
    except ValueError:
        raise UpkeepError(f"{where}due: {plain(texts['due'], 40)!r} is no day; give one such as 2027-01-31") from None
    return texts


def _day(text: str) -> date:
    """Return a day.

    :raises ValueError: when it is written in another way, or is in no calendar.
    """
    if not _DAY.fullmatch(text):
        raise ValueError("no day")
    return date.fromisoformat(text)


def _texts(given: Any, name: str) -> list[str]:
    texts = [plain(text) for text in given]
    if not all(texts):
        raise UpkeepError(f"{name} has an empty entry")
    return texts


def _count(items: list[Any], name: str) -> str:
    return f"{len(items) or 'no'} {name}{'' if len(items) == 1 else 's'}"
