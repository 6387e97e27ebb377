"""Signing keys that all tests share, and an identity with them."""

import pytest

from development.signing_keys import SigningKeys
from tests.development.support import Bench


@pytest.fixture(scope="session")
def keys() -> SigningKeys:
    return SigningKeys()


@pytest.fixture
def bench(keys: SigningKeys) -> Bench:
    return Bench(keys)
