"""What is listed of the roles is what they read and keep."""

import inspect

from agents.alert import app as alert
from agents.kafka.role_topics import ROLES, everything, of_role
from agents.measure import app as measure
from agents.quality import app as quality
from agents.runtime.settings import Settings

SETTINGS = Settings(_env_file=None)


def test_each_roles_tables_are_listed() -> None:
    assert tuple(ROLES[measure.ROLE].tables) == tuple(measure.TABLES)
    assert tuple(ROLES[quality.ROLE].tables) == tuple(quality.TABLES)
    assert tuple(ROLES[alert.ROLE].tables) == (alert.TABLE,)
    assert ROLES[alert.ROLE].tables[alert.TABLE].partitions == "one"


def test_a_topic_is_made_with_all_that_a_role_needs() -> None:
    made = {spec.name for spec in everything(SETTINGS)}
    assert made.issuperset(spec.name for role in ROLES for spec in of_role(SETTINGS, role))


def test_what_a_role_reads_is_what_its_agents_read() -> None:
    for role, module in (("measure", measure), ("alert", alert)):
        source = inspect.getsource(module)
        for topic in ROLES[role].reads:
            assert f".agent({topic.name.upper().replace('-', '_')}," in source
