"""Run the quality role: assess analyses, fold their scores, calibrate them, ask for remedies."""

import asyncio
import functools
from collections.abc import Callable, Collection
from typing import Any

from faust.types import TP

from agents.folding.ingest import LOOK_S, PROGRESS_S, Ingest
from agents.folding.windows import QUICK_S, WindowsBeat
from agents.kafka.admin_client import admin, describe_topics
from agents.kafka.reader import REACH_S
from agents.quality.assessing import Assessing
from agents.quality.calibrating import BEAT_S as CALIBRATION_BEAT_S
from agents.quality.calibrating import CalibrationBeat
from agents.quality.input_tables import InputTables
from agents.quality.installed_assessors import installed_assessors, loader_of
from agents.quality.intake import Intake
from agents.quality.labelling import Labelling
from agents.quality.outcomes import Outcomes
from agents.quality.score_publisher import ScorePublisher
from agents.quality.score_reader import FOLDED_SCORES, ScoreReader
from agents.quality_file.load import load_quality
from agents.runtime.settings import Settings
from agents.worker import process
from agents.worker.role import Role
from schemas.topics import ANALYSES, CALIBRATION, LABELS, QUALITY_PARTIALS
from streams.measure.window_state import revision_of
from streams.quality.input_state import version_of

ROLE = "quality"
#: The tables, and what reads a packed row's version.
TABLES: dict[str, Callable[[bytes], Any]] = {
    "windows": revision_of,
    "inputs": version_of,
    "labels": version_of,
}


class Quality:
    """The role's parts, and what joins them."""

    def __init__(self, settings: Settings, inputs_partitions: int) -> None:
        """Make the app; nothing runs yet.

        Args:
            settings: the worker's.
            inputs_partitions: how many partitions `analyses` has, and what is kept by input.
        """
        topics = (ANALYSES, QUALITY_PARTIALS, LABELS, CALIBRATION)
        by_input = settings.model_copy(update={"partitions": inputs_partitions})
        self._role = role = Role(settings, ROLE, settings.partitions, topics, TABLES)
        config = load_quality(settings.quality_file)
        load = functools.partial(loader_of, config)
        processes = settings.quality_processes
        self._assessing = Assessing(installed_assessors(), config, load, processes, role.fail)
        inputs_limit = -(-settings.quality_inputs // inputs_partitions)
        self._inputs = inputs = InputTables(role.rows("inputs"), inputs_limit)
        self._publisher = publisher = ScorePublisher(role.producer, inputs, role.fail)
        reader = ScoreReader(config)
        self._ingest = Ingest(
            settings, role.producer, self._consumer, FOLDED_SCORES, reader, role.fail
        )
        self._intake = intake = Intake(
            settings,
            inputs,
            self._assessing,
            Outcomes(by_input, config),
            publisher,
            reader,
            self._ingest,
            role.fail,
        )
        windows = role.rows("windows")
        self._windows = WindowsBeat(settings, role.producer, self._consumer, windows, FOLDED_SCORES)
        self._labels = labels = Labelling(
            by_input, role.producer, self._consumer, inputs, publisher
        )
        self._calibration = calibration = CalibrationBeat(
            by_input, settings.partitions, self._consumer, role.rows("labels"), inputs, publisher
        )
        role.agent(ANALYSES, "assess", intake.read, intake.rehearse, intake.skip)
        role.agent(QUALITY_PARTIALS, "windows", self._windows.read, self._windows.rehearse)
        role.agent(LABELS, "labels", labels.read, labels.rehearse, labels.skip)
        role.agent(
            CALIBRATION, "calibration", calibration.read, calibration.rehearse, calibration.skip
        )
        role.every(LOOK_S, self._ingest.send)
        role.every(PROGRESS_S, self._ingest.report)
        role.every(QUICK_S, self._windows.beat)
        role.every(CALIBRATION_BEAT_S, calibration.beat)
        role.when_lost(self._lost)
        role.after_end(self._stop)
        role.remark(self._ingest.ahead.remarks)

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until `stopped` is set.

        Raises:
            Exception: whatever ended it.
        """
        self._assessing.start()
        self._publisher.start()
        try:
            await self._role.run(stopped)
        finally:
            self._assessing.stop()

    def _consumer(self) -> Any:
        return self._role.app.consumer

    def _lost(self, tps: Collection[TP]) -> None:
        self._intake.lost(tps)
        self._ingest.lost(tps)
        self._windows.lost(tps)
        self._labels.lost(tps)
        self._calibration.lost(tps)
        self._inputs.lost({tp.partition for tp in tps})

    def _stop(self) -> None:
        self._intake.stop()
        self._ingest.stop()
        self._publisher.stop()


def run(settings: Settings) -> None:
    """Run the role until SIGTERM or Ctrl-C; exit with 1 when it cannot go on.

    Raises:
        agents.kafka.admin_client.Unreachable: no broker answers.
        agents.kafka.topic_creation.TopicMisfit: a topic does not fit the settings.
    """

    async def work(stopped: asyncio.Event) -> None:
        name = settings.topic(ANALYSES)
        async with admin(settings, deadline_s=REACH_S) as client:
            analyses = (await describe_topics(client, [name]))[name]
        await Quality(settings, analyses.partitions).run(stopped)

    process.run(settings, ROLE, work)
