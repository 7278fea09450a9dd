"""Run the measure worker on librdkafka's mock cluster, which creates a topic at its first use.

The mock cluster has neither CreateTopics nor DescribeConfigs, so this worker does not create and
check its topics at the start. Everything else is the same.
"""

from aiokafka.admin import AIOKafkaAdminClient

from agents.kafka import topic_creation
from agents.kafka.role_topics import everything
from agents.kafka.topic_fit import Misfit
from agents.measure import app
from agents.runtime.settings import Settings


async def use(settings: Settings, *_: object, **__: object) -> tuple[list[str], list[Misfit]]:
    """Describe each topic, which makes the mock cluster create it."""
    names = [spec.name for spec in everything(settings)]
    client = AIOKafkaAdminClient(**settings.kafka())
    try:
        await client.start()
        await client.describe_topics(names)
    finally:
        await client.close()
    return names, []


def main() -> None:
    """Run the worker as `opwatch worker measure` does."""
    topic_creation.ensure = use
    app.run(Settings())


if __name__ == "__main__":
    main()
