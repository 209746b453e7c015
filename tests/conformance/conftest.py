"""Transports for the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.conformance.rule import Transport
from tests.conformance.verdict import transports


@pytest.fixture(scope="package")
def over() -> Iterator[Mapping[str, Transport]]:
    """Every transport by its name; two servers run during the tests of this folder."""
    with transports() as found:
        yield found
