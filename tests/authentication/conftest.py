"""An issuer for each test that wants one."""

from collections.abc import AsyncIterator

import pytest

from tests.authentication.issuer import Clock, Issuer, issuing


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()
