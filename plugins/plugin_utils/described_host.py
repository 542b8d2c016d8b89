# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the filters share that derive a host's share of the platform description."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host

Items = TypeVar("Items")


def derived_items(
    items: Callable[[dict[str, Any], Host], Items],
    description: Any,
    inventory_hostname: str,
    group_names: Any,
) -> Items:
    """Return what ``items`` makes of the checked description for one host.

    :param items: takes the normalized platform and the host.
    :raises AnsibleFilterError: when the description has mistakes; the message names each.
    """
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host

    try:
        platform = validate_platform(native_value(description)).platform
    except UpkeepError as error:
        raise AnsibleFilterError(error.message) from None
    return items(platform, Host(str(inventory_hostname), native_value(group_names)))
