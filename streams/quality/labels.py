"""Read labels out of records; of two about the same thing decide which one counts."""

import json

import msgspec

from schemas.labels import Label
from streams.measure.window_times import TimeLimits
from streams.record_limits import KeyedRecord, RefusedRecord
from streams.record_reader import RecordReader, refuse, refuse_key
from streams.validation import WHOLE_BYTES

_reader = RecordReader(Label, "invalid_label", WHOLE_BYTES)

#: What a row keeps of labels about one thing: more sources, or things, push out the earliest.
MOST_SOURCES = 5
MOST_THINGS = 20
#: A longer truth is not kept in rows.
MAX_TRUTH_BYTES = 2_000


def read_label(record: KeyedRecord, limits: TimeLimits) -> Label | RefusedRecord:
    """Return the label of a record, or the refusal. It may be of any age."""
    label = _reader.read(record)
    if isinstance(label, RefusedRecord):
        return label
    if record.key != (label.analysis or label.input_hash or "").encode():
        return refuse_key(record, "the id or hash that the label is about")
    ahead_ms = label.at - record.timestamp
    if ahead_ms > limits.future_ms:
        detail = f"found out {ahead_ms} ms after its record's timestamp"
        return refuse(record, "from_future", detail)
    return label


class SourceTruth(msgspec.Struct, array_like=True, frozen=True, gc=False, order=True):
    """What a source found out; of two from one source the larger counts."""

    at: int
    truth: str
    """In JSON, so that equal truths are equal texts."""
    verified: bool


Truths = dict[str, dict[str, SourceTruth]]
"""What is known to be true, by field (or verdict) and source."""


def truth_of(label: Label) -> SourceTruth:
    """Return what a row keeps of a label."""
    truth = json.dumps(label.truth, sort_keys=True, separators=(",", ":"))
    if len(truth) > MAX_TRUTH_BYTES:
        truth = json.dumps(truth[: MAX_TRUTH_BYTES // 2])
    return SourceTruth(label.at, truth, label.verified)


def note_truth(truths: Truths, about: str, source: str, truth: SourceTruth) -> bool:
    """Add what a source found out to what is known; return False if it is nothing new."""
    sources = truths.setdefault(about, {})
    before = sources.get(source)
    if before is not None and truth <= before:
        return False
    sources[source] = truth
    if len(sources) > MOST_SOURCES:
        del sources[min(sources, key=lambda source: (sources[source], source))]
    if len(truths) > MOST_THINGS:
        del truths[min(truths, key=lambda about: (max(truths[about].values()), about))]
    return True


def counting(truths: Truths) -> dict[str, SourceTruth]:
    """Return the truth that counts for each thing: verified before not, then the latest."""
    return {about: max(sources.values(), key=_rank) for about, sources in truths.items() if sources}


def _rank(truth: SourceTruth) -> tuple[bool, SourceTruth]:
    return truth.verified, truth
