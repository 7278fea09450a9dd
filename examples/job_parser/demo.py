"""Show opwatch measuring a real service: `make demo` (FOR=120, DEGRADE=1).

It starts the workers, the job parser, and local receivers that stand in for Slack, PagerDuty and a
mail server. It shows the address of the dashboard, the live table, the quality of the parser's
analyses, the breaches and the messages, compares at the end what was published with what was
counted and scored, and ends everything that it started.
"""

import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from agents.kafka import topic_creation
from examples.job_parser.demo_run import Demo
from examples.job_parser.environment import degrades, duration_s, for_demo
from examples.job_parser.parser_process import ParserEnded
from examples.job_parser.supervisor import NeverRuns

_NEXT = """
next: make demo DEGRADE=1       two sites break for a while: see who is notified
      make demo FOR=300         longer: kill the worker, look at the topics
      README.md                 "Measure your own service" begins with: make up"""
_NEXT_AFTER_TROUBLE = """
next: make up && . .stack/env   a Kafka and a PostgreSQL that stay, for your own service
      README.md                 "Measure your own service": the next three commands
      docs/alerting.md          the first alert on your own Slack"""

EXIT_FAILED = 1
EXIT_USAGE = 2


async def _main(for_s: float, folder: Path) -> int:
    environment = for_demo(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)  # the `.env` of the project is not the demo's
    demo = Demo(environment, for_s, folder)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, demo.interrupted.set)
    try:
        exact = await demo.run()
    except (topic_creation.Unreachable, topic_creation.TopicMisfit, ParserEnded) as error:
        print(f"demo: {error}", file=sys.stderr)
        return EXIT_FAILED
    except NeverRuns as error:
        print(
            f"demo: the worker does not keep running. The end of its log:\n{error}", file=sys.stderr
        )
        return EXIT_FAILED
    if not (exact or demo.mocked):
        return EXIT_FAILED
    print(_NEXT_AFTER_TROUBLE if degrades(environment) else _NEXT)
    return 0


def main() -> int:
    """Run the demo for FOR seconds and return the exit code: 0 if the counts were exact."""
    for_s = duration_s(os.environ)
    if for_s is None:
        print(f"demo: FOR={os.environ['FOR']} is not a positive number of seconds", file=sys.stderr)
        return EXIT_USAGE
    # The libraries warn while brokers and topics come and go, which is expected here.
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="opwatch-demo-"))
    code = EXIT_FAILED
    try:
        code = asyncio.run(_main(for_s, folder))
    finally:
        if code == 0:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"demo: the logs are in {folder}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
