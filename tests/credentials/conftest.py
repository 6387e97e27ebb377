"""Credentials against the fakes, closed before these end."""

from collections.abc import AsyncIterator

import pytest

from development import serving
from development.serving import Served
from shared.hosting import uvicorn_server
from tests.credentials import tenant
from tests.credentials.support import Maker
from tests.fakes.azure import FakeAzure


@pytest.fixture
async def make(azure: FakeAzure) -> AsyncIterator[Maker]:
    maker = Maker(azure)
    yield maker
    await maker.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """The development identity, as Entra would be, over http and https."""
    return serving.start(
        tmp_path_factory.mktemp("project"),
        {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"},
        tenant.registration(),
        uvicorn_server.listen("127.0.0.1", 0),
    )
