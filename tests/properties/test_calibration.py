"""Labels late, repeated and corrected, samples repeated: windows are as if all came in order."""

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.calibration import CalibrationAggregate
from schemas.calibration_records import CalibrationMessage
from schemas.spans import DAY_MS
from streams.quality.label_joins import Calibrations
from streams.quality.label_records import (
    CalibrationSample,
    PartitionSums,
    decode,
    encode,
    label_of,
)
from tests.effort import examples
from tests.unit.streams.analysis_samples import NOW_MS, label

IDS = [f"a-{number}" for number in range(6)]
SHARES = st.one_of(st.none(), st.integers(0, 100).map(lambda cent: cent / 100))


@st.composite
def samples(draw: st.DrawFn) -> dict[str, CalibrationSample]:
    return {
        name: CalibrationSample(
            name,
            f"hash-{name}",
            0,
            "detector",
            "analyze",
            draw(st.sampled_from(["small", "large"])),
            NOW_MS - draw(st.integers(0, 3)) * DAY_MS,
            draw(SHARES),
            draw(SHARES),
            draw(st.sampled_from(["real", "ghost"])),
            {"company": "Lever"},
            [],
            {},
        )
        for name in IDS
    }


LABELS = st.builds(
    lambda name, about, truth, source, at, verified: label(
        analysis=name, about=about, truth=truth, source=source, at=at, verified=verified
    ),
    st.sampled_from(IDS),
    st.sampled_from(["verdict", "company"]),
    st.sampled_from(["real", "ghost", "Lever"]),
    st.sampled_from(["ada", "bob"]),
    st.integers(NOW_MS, NOW_MS + 3),
    st.booleans(),
)


def oracle(samples: dict[str, CalibrationSample], labels: list[Any]) -> dict[tuple, dict]:
    """Return what the 24h windows must say, in plain Python."""
    by_source: dict[tuple, Any] = {}
    for found in labels:
        key = found.analysis, found.about, found.source
        rank = (found.at, json.dumps(found.truth), found.verified)
        if key not in by_source or rank > by_source[key]:
            by_source[key] = rank
    counts: dict[tuple, Any] = {}
    for (name, about, _), (at, truth, verified) in by_source.items():
        rank = (verified, at, truth)
        if (name, about) not in counts or rank > counts[name, about]:
            counts[name, about] = rank
    right: dict[str, bool] = {}
    for (name, about), (_, _, truth) in counts.items():
        found = samples[name].label if about == "verdict" else samples[name].fields["company"]
        right[name] = right.get(name, True) and found.casefold() == json.loads(truth).casefold()
    windows: dict[tuple, list[str]] = defaultdict(list)
    for name in right:
        windows[samples[name].model, samples[name].occurred_at // DAY_MS * DAY_MS].append(name)
    return {
        key: {
            "count": len(ids),
            "right": sum(right[name] for name in ids),
            "brier": _brier([(samples[name].overall, right[name]) for name in ids]),
            "error": _error([(samples[name].confidence, right[name]) for name in ids]),
        }
        for key, ids in windows.items()
    }


def _brier(pairs: list[tuple[float | None, bool]]) -> float | None:
    there = [(estimate, is_right) for estimate, is_right in pairs if estimate is not None]
    return sum((e - r) ** 2 for e, r in there) / len(there) if there else None


def _error(pairs: list[tuple[float | None, bool]]) -> float | None:
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for estimate, is_right in pairs:
        if estimate is not None:
            bins[min(round(estimate * 1e6) // 100_000, 9)].append((estimate, is_right))
    total = sum(map(len, bins.values()))
    if not total:
        return None
    return sum(abs(sum(e - r for e, r in pairs)) for pairs in bins.values()) / total


@settings(max_examples=examples(60))
@given(st.data(), samples(), st.lists(LABELS, max_size=12), st.integers(0, 20))
def test_windows_say_what_labels_and_samples_say_in_whatever_order_they_come(
    data: st.DataObject, samples: dict[str, CalibrationSample], labels: list[Any], killed_at: int
):
    inputs = [*samples.values(), *(label_of(found.analysis, found) for found in labels)]
    inputs += data.draw(st.lists(st.sampled_from(inputs), max_size=5))
    inputs = data.draw(st.permutations(inputs))
    packed: dict[bytes, bytes] = {}
    partition = Calibrations(0, packed, 1_000)
    sums: list[PartitionSums] = []
    offset = 0

    for number, found in enumerate(inputs):
        offset += 1
        if number == killed_at:  # after its rows were written, before the commit
            partition.take_changes()
            partition, offset = Calibrations(0, packed, 1_000), max(0, offset - 3)
            for again in inputs[offset:number]:
                offset += 1
                _apply(partition, again)
        _apply(partition, found)
        if number % 3 == 0:
            sums += partition.take_sums(offset)
    sums += partition.take_sums(offset)

    reader = Calibrations(1, {}, 1_000)
    for found in [*sums, *sums[:3]]:
        CalibrationMessage.model_validate_json(encode(found))
        reader.sums(decode(encode(found)))  # type: ignore[arg-type]
    published = {}
    for revision in reader.collect(NOW_MS):
        window = CalibrationAggregate.model_validate_json(revision.value)
        if window.window.size == "24h" and window.count:
            published[window.series.model, window.window.start_ms] = window
    expected = oracle(samples, labels)
    assert published.keys() == expected.keys()
    for key, window in published.items():
        assert (window.count, window.right) == (expected[key]["count"], expected[key]["right"])
        assert window.accuracy == window.right / window.count
        assert window.overall.brier_score == _near(expected[key]["brier"])
        assert window.confidence.expected_calibration_error == _near(expected[key]["error"])


def _near(figure: float | None) -> Any:
    return None if figure is None else pytest.approx(figure, abs=1e-5)


def _apply(partition: Calibrations, found: Any) -> None:
    CalibrationMessage.model_validate_json(encode(found))
    found = decode(encode(found))
    if isinstance(found, CalibrationSample):
        list(partition.sample(found, NOW_MS))
    else:
        list(partition.label(found, NOW_MS))
