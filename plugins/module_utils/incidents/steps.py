# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of acting in a security incident: which of them a run does, and what stands against them."""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.upkeep.runbook.plugins.module_utils.custody.entries import INCIDENT_ID
from ansible_collections.upkeep.runbook.plugins.module_utils.extra_variables import extra_variable

EVIDENCE, ISOLATE, BLOCK, ROTATE, SWEEP, VERIFY, RELEASE = "evidence", "isolate", "block", "rotate", "sweep", "verify", "release"

#: In their order, and the tags by which each is chosen besides its own name.
STEPS: dict[str, tuple[str, ...]] = {
    EVIDENCE: (), ISOLATE: ("containment",), BLOCK: ("containment",), ROTATE: ("secrets",), SWEEP: (), VERIFY: ("security_audit", "health"),
    RELEASE: (),
}
#: What takes something away from somebody, such as his login, or gives it back to an intruder.
CONFIRMED = (ISOLATE, BLOCK, ROTATE, RELEASE)


def chosen_steps(run_tags: Collection[str], skip_tags: Collection[str], *, rotates: bool = False) -> list[str]:
    """Return the steps that the tags of a run choose, in their order; ``release`` only when it is named.

    :param rotates: somebody has named secrets, so that ``rotate`` is one of the usual steps; otherwise only when it is named itself.
    """
    chosen = []
    for step, others in STEPS.items():
        names = {step, *others}
        by_name_only = step == RELEASE or (step == ROTATE and not rotates)
        wanted = names & set(run_tags) if by_name_only else {*names, "all", "tagged"} & set(run_tags)
        if wanted and not {*names, "all", "tagged"} & set(skip_tags):
            chosen.append(step)
    return chosen


def incident_mistake(incident: str) -> str:
    """Return what is wrong with the id of an incident, '' when nothing is."""
    if INCIDENT_ID.fullmatch(incident):
        return ""
    given = f"{incident[:80]!r} is no id of an incident" if incident else "name the incident"
    return f"{given}: -e upkeep_incident=INC-42, up to 64 letters, digits, dots, underscores and hyphens"


def refusal(steps: Collection[str], *, incident: str, confirm: str, platform: str, check_mode: bool) -> str:
    """Return why a run with these steps must not begin, '' when it may.

    :param incident: its id, which every step needs.
    :param confirm: what the person who starts it typed; check mode, which only shows a plan, goes without it.
    """
    mistake = incident_mistake(incident)
    if mistake:
        return mistake
    if RELEASE in steps and {ISOLATE, BLOCK, ROTATE} & set(steps):
        return "release ends what isolate, block and rotate do; choose either: --tags release"
    confirmed = [step for step in CONFIRMED if step in steps]
    return confirm_refusal(" and ".join(confirmed), confirm=confirm, platform=platform, check_mode=check_mode) if confirmed else ""


def confirm_refusal(what: str, *, confirm: str, platform: str, check_mode: bool) -> str:
    """Return why something that restricts a host must not begin, '' when it was confirmed or would only be shown.

    :param what: what it is, as the begin of a sentence.
    :param confirm: what the person who starts it typed.
    """
    if confirm == platform or (check_mode and not confirm):
        return ""
    told = f"it is {platform!r} and not {confirm[:80]!r}" if confirm else extra_variable("upkeep_confirm", platform)
    return f"{what} must be confirmed with the name of the platform: {told}"
