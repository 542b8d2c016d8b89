"""What the tests of certificates share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.inspection import inspect_certificates
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.issuing import NOW
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.module_options import DEFAULTS
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.tls_servers import TlsServers


@pytest.fixture
def options() -> dict[str, Any]:
    return dict(DEFAULTS)


@pytest.fixture
def inspect(options: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Return what inspects with some options, at a fixed time unless another is given."""

    def run(*, now: Any = NOW, **given: Any) -> dict[str, Any]:
        return inspect_certificates({**options, **given}, now=now, hint_for_files=lambda _now: "Renew it.")

    return run


@pytest.fixture
def servers() -> Iterator[TlsServers]:
    started = TlsServers()
    yield started
    started.close()
