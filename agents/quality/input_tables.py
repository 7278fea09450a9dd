"""Hold the inputs of this worker's partitions, for all that read and write them."""

from collections.abc import Collection

from agents.kafka.table import TableRows
from agents.runtime import metrics
from streams.quality.inputs import Inputs


class InputTables:
    """The inputs by partition."""

    def __init__(self, rows: TableRows, limit: int) -> None:
        """Begin without partitions; each remembers this many inputs."""
        self._rows = rows
        self._limit = limit
        self._inputs: dict[int, Inputs] = {}

    def of(self, partition: int) -> Inputs:
        """Return a partition's inputs."""
        inputs = self._inputs.get(partition)
        if inputs is None:
            inputs = self._inputs[partition] = Inputs(self._rows.of(partition), self._limit)
        return inputs

    def lost(self, partitions: Collection[int]) -> None:
        """Forget partitions at once."""
        for partition in partitions:
            if self._inputs.pop(partition, None) is not None:
                metrics.forget([metrics.quality_inputs], partition)

    async def write(self, partition: int) -> None:
        """Write what changed of a partition, if it is still ours."""
        inputs = self._inputs.get(partition)
        if inputs is not None:
            metrics.quality_inputs.labels(partition).set(len(inputs))
            await self._rows.write(partition, inputs.take_changes())
