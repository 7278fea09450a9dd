"""Give tests a partition's services that listen and know nobody yet."""

import pytest

from tests.unit.streams.services_world import World


@pytest.fixture
def world() -> World:
    world = World()
    world.look(-100)
    return world
