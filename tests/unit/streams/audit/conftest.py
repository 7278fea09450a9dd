"""Give tests the records of an alert that no topic holds yet."""

import pytest

from tests.unit.streams.story_samples import Records


@pytest.fixture
def records() -> Records:
    return Records()
