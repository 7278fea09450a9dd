"""Publish a day of operations, services, quality and alerts for a dashboard to show.

`python -m tests.dashboard_day` does so on the Kafka of the environment until Ctrl-C, for a look.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from schemas.topics import (
    QUALITY_SCORES,
    REMEDIATIONS,
)
from tests.dashboard_samples import (
    HOUR_MS,
    MINUTE_MS,
    Traffic,
    opened,
    quality_windows,
    remedied,
    service_windows,
    traffic,
)
from tests.dashboard_scene import TOKEN, Scene, dashboard


def fill(scene: Scene, now_ms: int, hours: int = 26, *, dense: bool = False) -> Traffic:
    """Publish a day: traffic, services, quality, two open alerts and one that is over.

    Args:
        scene: where.
        now_ms: until when.
        hours: how long.
        dense: every minute has operations; else every fourth, which is soon folded.
    """
    start_ms = now_ms // MINUTE_MS * MINUTE_MS - hours * HOUR_MS
    per_minute, every = (30, 1) if dense else (20, 4)
    found = traffic((start_ms, now_ms), per_minute, every=every)
    values = list(found.aggregates)
    values += service_windows("webllm_service", now_ms)
    values += service_windows("crawler", now_ms, down_ms=7 * MINUTE_MS)
    for dimension, mean in (
        *(("overall", 0.91), ("accuracy", 0.88), ("performance", 0.97)),
        *(("reliability", 0.93), ("consistency", 0.9)),
    ):
        values += quality_windows(now_ms, dimension, mean=mean)
    values += quality_windows(now_ms, "overall", "workday", mean=0.83)
    scene.aggregates(values)
    requests, scores = remedied(now_ms)
    scene.publish(REMEDIATIONS, *((b"analyst", value) for value in requests))
    scene.publish(QUALITY_SCORES, *((b"again", value) for value in scores))
    first = opened(now_ms)
    critical = opened(
        now_ms,
        rule="critical_service_failure",
        kind="service_status",
        series='service{name="crawler"}',
        labels={"service": "crawler"},
        severity="critical",
        metric=None,
        operator=None,
        threshold=None,
        observed=None,
        unit="",
        summary="crawler is down for 7 minutes: the model does not load.",
        opened_ms=now_ms - 7 * MINUTE_MS,
    )
    over = opened(now_ms, rule="slow", series='*{platform="ashby"}', labels={"platform": "ashby"})
    scene.breaches(first, critical, over)
    scene.breaches(
        over.model_copy(
            update={"revision": 2, "state": "resolved", "why": "condition_gone",
                    "resolved_ms": now_ms - 2 * MINUTE_MS}
        )
    )  # fmt: skip
    delivery = {"delivery": "d1", "parcel": "d1"}
    scene.decide(first, "due", "slack_engineering", **delivery)
    scene.decide(first, "sent", "slack_engineering", **delivery, attempt=1, answer="200 ok")
    scene.decide(first, "below_severity", "pagerduty_oncall")
    answer = "202 Event processed"
    scene.decide(critical, "sent", "pagerduty_oncall", delivery="d2", attempt=1, answer=answer)
    scene.refuse(b'{"operation": "parse", "platform": <script>alert(1)</script>')
    return found


def main(arguments: Sequence[str]) -> int:
    """Run a scene and a dashboard on the Kafka of the environment."""
    scene = Scene(os.environ["OPWATCH_KAFKA_BOOTSTRAP"])
    scene.make()
    folder = Path("/tmp")  # noqa: S108, RUF100 - for a look
    now_ms = int(time.time() * 1000)
    port = arguments[0] if arguments else "9470"
    try:
        fill(scene, now_ms, dense=True)
        with dashboard(
            scene.settings, folder, OPWATCH_DASHBOARD_PORT=port, OPWATCH_DASHBOARD_CLAIM="96-99",
            OPWATCH_DASHBOARD_TOKEN=TOKEN,
        ) as running:  # fmt: skip
            print(running.url, running.log, flush=True)
            last_ms = now_ms
            while running.process.poll() is None:
                time.sleep(2)
                scene.progress()
                minute_ms = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
                if minute_ms > last_ms:
                    now_ms = int(time.time() * 1000)
                    scene.aggregates(traffic((last_ms // MINUTE_MS * MINUTE_MS, now_ms)).aggregates)
                    last_ms = minute_ms
    except KeyboardInterrupt:
        pass
    finally:
        scene.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
