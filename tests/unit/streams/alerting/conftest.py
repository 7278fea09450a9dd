"""Give tests a world in which nothing has happened yet."""

import pytest

from tests.unit.streams.alerting.world import World


@pytest.fixture
def world():
    return World()
