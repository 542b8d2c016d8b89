# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every type of database does to be restored: looked at, staged beside the present data, exchanged, put back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept


@dataclass(frozen=True)
class Facts:
    """What was found before anything is touched.

    :ivar exists: there are data now, which will be kept.
    :ivar server: what answers, for people.
    :ivar free_bytes: room where the data go; None when nobody here can tell.
    :ivar free_in: the folder with that room.
    :ivar need_bytes: how many bytes the dump has.
    """

    exists: bool
    server: str
    free_bytes: int | None
    free_in: str
    need_bytes: int


class Restorer(ABC):
    """Restores one database. Whatever ends it before :meth:`swap` is done, the present data stay as they were.

    :ivar spec: the database.
    :ivar restore_id: eight hexadecimal digits; they are in the names of what the restore leaves.
    :ivar deadline: moment of ``time.monotonic()`` at which the present step has to be done.
    :ivar state_directory: folder, of root alone, for what has to be kept.
    :ivar existed: there were data before, as :meth:`look` found, or a journal says.
    :ivar keep_owners: what is restored keeps its owners and rights.
    """

    def __init__(self, spec: DumpSpec, restore_id: str, deadline: float, state_directory: str, *, keep_owners: bool = True) -> None:
        self.spec = spec
        self.restore_id = restore_id
        self.deadline = deadline
        self.state_directory = state_directory
        self.keep_owners = keep_owners
        self.existed = True

    @property
    def kept_as(self) -> str:
        """Where the previous data are, for people."""
        return self.previous_name

    @property
    def staged_name(self) -> str:
        """What the restored data are called before they take the place of the present ones."""
        return f"{self.spec.database}_upkeep_{self.restore_id}"

    @property
    def previous_name(self) -> str:
        """What the data are called that were there before."""
        return f"{self.spec.database}_previous_{self.restore_id}"

    @property
    def undone_name(self) -> str:
        """What the restored data are called after they were put away again."""
        return f"{self.spec.database}_undone_{self.restore_id}"

    @abstractmethod
    def look(self, kept: Kept) -> Facts:
        """Find out whether the dump can be restored; change nothing.

        :raises UpkeepError: in words, when it cannot.
        """

    @abstractmethod
    def stage(self, kept: Kept) -> None:
        """Restore the dump beside the present data.

        :raises UpkeepError: when it does not load; nothing of it is left then.
        """

    @abstractmethod
    def swap(self) -> None:
        """Exchange the present data for the staged ones and keep them; all of it happens or nothing.

        :raises UpkeepError: when that could not be done; the present data are still in their place.
        """

    @abstractmethod
    def has_previous(self) -> bool:
        """Tell whether the data are still kept that were there before; somebody may have removed them by hand.

        :raises UpkeepError: when nobody can tell.
        """

    @abstractmethod
    def put_back(self) -> None:
        """Put the previous data back into their place and the restored ones aside; without previous data there are none then.

        :raises UpkeepError: when that could not be done.
        """

    @abstractmethod
    def is_swapped(self) -> bool:
        """Tell whether the staged data took the place of the present ones, as far as :meth:`swap` came before it was ended.

        :raises UpkeepError: when nobody can tell.
        """

    @abstractmethod
    def discard_stage(self) -> None:
        """Remove what is staged, if anything is.

        :raises UpkeepError: when that could not be done.
        """

    @abstractmethod
    def drop_undone(self) -> None:
        """Remove the restored data that were put away again.

        :raises UpkeepError: when that could not be done.
        """

    @abstractmethod
    def drop_previous(self) -> None:
        """Remove the data that were kept.

        :raises UpkeepError: when that could not be done.
        """
