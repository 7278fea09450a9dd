"""Join one partition's samples and labels, and sum up its calibration windows.

What a window holds follows from the rows of labelled analyses alone. So a repeat changes nothing,
and after a crash the sums are made anew:

    sample ─┐                        sums of each partition ─▶ window on `aggregates`
            ├─▶ row of the analysis ─┘
    label ──┘
"""

from collections.abc import Iterator, MutableMapping
from typing import NamedTuple

import msgspec

from schemas.series import WindowSize
from schemas.spans import DAY_MS
from streams.measure.aggregate import aggregate_key, window_fields
from streams.measure.window_times import SIZE_MS, window_start
from streams.quality.calibration import CalibrationSums
from streams.quality.input_state import version_of
from streams.quality.label_records import (
    AnalysisLabel,
    CalibrationSample,
    InputLabel,
    PartitionSums,
)
from streams.quality.labels import Truths, note_truth

#: Labels come for as long as `labels` are kept, and a week later nobody looks any more.
KEPT_MS = 37 * DAY_MS
SIZES: tuple[WindowSize, ...] = ("24h", "7d")
_ANALYSIS = b"a/"
_WINDOW = b"w/"


class JoinedAnalysis(msgspec.Struct, array_like=True, gc=False):
    """What a row says of an analysis: its sample and its labels, whichever came first."""

    version: int = 0
    sample: CalibrationSample | None = None
    truths: Truths = {}


class WindowSources(msgspec.Struct, array_like=True, gc=False):
    """What a row says of a window: the sums of each partition, with their revisions."""

    version: int = 0
    series: tuple[str, str, str] = ("", "", "")
    size: WindowSize = "24h"
    start_ms: int = 0
    sources: dict[int, tuple[int, CalibrationSums]] = {}


class CalibrationRevision(NamedTuple):
    """A window's revision to publish."""

    series: str
    key: bytes
    value: bytes


_WindowKey = tuple[tuple[str, str, str], WindowSize, int]
_encode = msgspec.msgpack.Encoder().encode
_analysis_of = msgspec.msgpack.Decoder(JoinedAnalysis).decode
_window_of = msgspec.msgpack.Decoder(WindowSources).decode
_json = msgspec.json.Encoder().encode


def series_of(service: str, operation: str, model: str) -> str:
    """Return the name of a calibration series."""
    labels = [("service", service), ("operation", operation), ("model", model)]
    inner = ",".join(f"{name}={msgspec.json.encode(value).decode()}" for name, value in labels)
    return "calibration{" + inner + "}"


class Calibrations:
    """The rows of one partition."""

    def __init__(self, partition: int, packed: MutableMapping[bytes, bytes], limit: int) -> None:
        """Begin with what the table holds; what may be unpublished is due at once.

        Args:
            partition: its number.
            packed: its rows in the table; take_changes updates it.
            limit: analyses with labels that stay, and as many without.
        """
        self._partition = partition
        self._packed = packed
        self._limit = limit
        self._unlabelled: dict[bytes, None] = {}
        self._labelled: dict[bytes, JoinedAnalysis] = {}
        self._sums: dict[_WindowKey, CalibrationSums] = {}
        self._changed_sums: dict[_WindowKey, None] = {}
        self._windows: dict[bytes, WindowSources] = {}
        self._changed_windows: dict[bytes, None] = {}
        self._rows: dict[bytes, JoinedAnalysis] = {}
        self._gone: dict[bytes, None] = {}
        for key in sorted(packed, key=lambda key: version_of(packed[key])):
            if key.startswith(_WINDOW):
                self._windows[key] = _window_of(packed[key])
                self._changed_windows[key] = None
            else:
                self._place(key, _analysis_of(packed[key]))

    def __len__(self) -> int:
        return len(self._unlabelled) + len(self._labelled)

    # ------------------------------------------------------------------ input

    def sample(self, sample: CalibrationSample, now_ms: int) -> Iterator[InputLabel]:
        """Join a sample; yield the labels that its input does not know."""
        key, row = self._row(sample.analysis)
        for about, sources in sample.truths.items():
            for source, truth in sources.items():
                note_truth(row.truths, about, source, truth)
        row.sample = sample
        self._change(key, row, now_ms)
        for about, sources in row.truths.items():
            for source, truth in sources.items():
                if sample.truths.get(about, {}).get(source) != truth:
                    yield InputLabel(sample.input_hash, about, source, truth)

    def label(self, label: AnalysisLabel, now_ms: int) -> Iterator[tuple[int, InputLabel]]:
        """Join a label; yield it for its input, with the input's partition, if that is known."""
        key, row = self._row(label.analysis)
        if not note_truth(row.truths, label.about, label.source, label.truth):
            self._place(key, row)
            return
        self._change(key, row, now_ms)
        if row.sample is not None and not label.is_of_input:
            yield (
                row.sample.partition,
                InputLabel(row.sample.input_hash, label.about, label.source, label.truth),
            )

    def sums(self, sums: PartitionSums) -> None:
        """Take a partition's sums of a window; older ones are ignored."""
        key = _WINDOW + aggregate_key(series_of(*sums.series), sums.size, sums.start_ms)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = WindowSources(
                0, sums.series, sums.size, sums.start_ms, {}
            )
        revision, _ = window.sources.get(sums.source, (-1, None))
        if sums.revision >= revision:
            window.sources[sums.source] = sums.revision, sums.sums
            window.version = sum(before for before, _ in window.sources.values())
            self._changed_windows[key] = None

    # ------------------------------------------------------------------ output

    def take_sums(self, revision: int) -> list[PartitionSums]:
        """Return the sums that changed, for those who have their windows."""
        changed, self._changed_sums = self._changed_sums, {}
        return [
            PartitionSums(self._partition, revision, *key, self._sums.get(key) or CalibrationSums())
            for key in changed
        ]

    def collect(self, now_ms: int) -> list[CalibrationRevision]:
        """Return the revisions of windows that changed; forget those of which all is long over."""
        for key, window in list(self._windows.items()):
            if window.start_ms + SIZE_MS[window.size] + KEPT_MS < now_ms:
                del self._windows[key]
                self._changed_windows.pop(key, None)
                self._gone[key] = None
        return [self._revision(key) for key in self._changed_windows]

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Return what to write to the table's changelog, None to delete."""
        changes: list[tuple[bytes, bytes | None]] = []
        for key, row in self._rows.items():
            packed = self._packed[key] = _encode(row)
            changes.append((key, packed))
        for key in self._changed_windows:
            packed = self._packed[key] = _encode(self._windows[key])
            changes.append((key, packed))
        changes += [(key, None) for key in self._gone if self._packed.pop(key, None) is not None]
        self._rows.clear()
        self._changed_windows.clear()
        self._gone.clear()
        return changes

    # ------------------------------------------------------------------ rows

    def _row(self, analysis: str) -> tuple[bytes, JoinedAnalysis]:
        """Return an analysis' row, out of the sums until it is placed again."""
        key = _ANALYSIS + analysis.encode()
        row = self._labelled.pop(key, None)
        if row is not None:
            self._count(row, -1)
        elif (row := self._rows.get(key)) is None:
            packed = None if key in self._gone else self._packed.get(key)
            row = JoinedAnalysis() if packed is None else _analysis_of(packed)
        return key, row

    def _change(self, key: bytes, row: JoinedAnalysis, now_ms: int) -> None:
        row.version = max(row.version + 1, now_ms)
        self._gone.pop(key, None)
        self._rows[key] = row
        self._place(key, row)
        for rows in (self._unlabelled, self._labelled):
            while len(rows) > self._limit:
                self._forget(next(iter(rows)))

    def _place(self, key: bytes, row: JoinedAnalysis) -> None:
        self._unlabelled.pop(key, None)
        if row.sample is not None and row.truths:
            self._labelled[key] = row
            self._count(row, 1)
        else:
            self._unlabelled[key] = None

    def _forget(self, key: bytes) -> None:
        self._unlabelled.pop(key, None)
        if (row := self._labelled.pop(key, None)) is not None:
            self._count(row, -1)
        self._rows.pop(key, None)
        self._gone[key] = None

    def _count(self, row: JoinedAnalysis, times: int) -> None:
        """Add an analysis to the sums of its windows, or take it out."""
        sample = row.sample
        assert sample is not None
        right = sample.is_right(row.truths)
        if right is None:
            return
        series = sample.service, sample.operation, sample.model
        for size in SIZES:
            key = series, size, window_start(size, sample.occurred_at)
            sums = self._sums.setdefault(key, CalibrationSums())
            sums.note(sample.confidence, sample.overall, right=right, times=times)
            self._changed_sums[key] = None
            if not sums.count:
                del self._sums[key]

    def _revision(self, key: bytes) -> CalibrationRevision:
        window = self._windows[key]
        total = CalibrationSums()
        for _, sums in window.sources.values():
            total.add(sums)
        service, operation, model = window.series
        series = series_of(*window.series)
        value = {
            "version": 1,
            "kind": "calibration",
            "series": {"service": service, "operation": operation, "model": model},
            "window": window_fields(window.size, window.start_ms),
            "revision": window.version,
            "final": False,
        } | total.figures()
        return CalibrationRevision(
            series, aggregate_key(series, window.size, window.start_ms), _json(value)
        )
