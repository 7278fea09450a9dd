"""Run the measure worker on librdkafka's mock cluster, which makes topics by their first use.

It knows neither CreateTopics nor DescribeConfigs, so what a worker does first, making and judging
its topics, cannot be done there. That is left out, and nothing else.
"""

from aiokafka.admin import AIOKafkaAdminClient

from agents.kafka import topics
from agents.kafka.role_topics import everything
from agents.kafka.topic_fit import Misfit
from agents.measure import app
from agents.runtime.settings import Settings


async def use(settings: Settings, *_: object, **__: object) -> tuple[list[str], list[Misfit]]:
    """Ask about each topic, whereupon the mock cluster makes it."""
    names = [spec.name for spec in everything(settings)]
    client = AIOKafkaAdminClient(**settings.kafka())
    try:
        await client.start()
        await client.describe_topics(names)
    finally:
        await client.close()
    return names, []


def main() -> None:
    """Do as `opwatch worker measure` does."""
    topics.ensure = use
    app.run(Settings())


if __name__ == "__main__":
    main()
