"""Read labels out of records; of two about the same thing decide which one counts."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.dead_letters import Reason
from schemas.labels import Label
from streams.measure.window_times import TimeLimits
from streams.quality.analyses import is_too_deep
from streams.record_limits import MAX_NESTING, KeyedRecord, RefusedRecord
from streams.validation import WHOLE_BYTES, Judge, NotFit

_REASONS: dict[str, Reason] = {
    "json": "invalid_json",
    "model": "invalid_label",
    "size": "too_large",
}
_model = Judge(Label, Label.model_fields, WHOLE_BYTES)

#: What a row keeps of labels about one thing: more sources, or things, push out the earliest.
MOST_SOURCES = 5
MOST_THINGS = 20
#: A longer truth is not kept in rows.
MAX_TRUTH_BYTES = 2_000


def read_label(record: KeyedRecord, limits: TimeLimits) -> Label | RefusedRecord:
    """Return the label of a record, or the refusal. It may be of any age."""
    value = record.value
    if value is None:
        return RefusedRecord(record, None, "null_value", "the record has no value", b"")

    def refused(reason: Reason, detail: str) -> RefusedRecord:
        return RefusedRecord(record, None, reason, detail, value)

    if len(value) > WHOLE_BYTES:
        return refused("too_large", f"{len(value)} bytes, more than {WHOLE_BYTES}")
    if is_too_deep(value):
        return refused("invalid_json", f"objects or arrays nest more than {MAX_NESTING} deep")
    try:
        label = _model.read(value)
    except NotFit as unfit:
        return refused(_REASONS[unfit.kind], str(unfit))
    if record.key != (label.analysis or label.input_hash or "").encode():
        key = "none" if record.key is None else repr(record.key[:128])
        return refused("wrong_key", f"the key is {key}, not the id or hash that the label is about")
    ahead_ms = label.at - record.timestamp
    if ahead_ms > limits.future_ms:
        return refused("from_future", f"found out {ahead_ms} ms after its record's timestamp")
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


def agrees(found: Any, truth: Any) -> bool:
    """Return whether what an analysis found is the truth; case and blanks do not count."""
    if isinstance(found, str) and isinstance(truth, str):
        return " ".join(found.split()).casefold() == " ".join(truth.split()).casefold()
    if isinstance(found, bool) or isinstance(truth, bool):
        return found is truth
    if isinstance(found, Mapping) and isinstance(truth, Mapping):
        return found.keys() == truth.keys() and all(agrees(found[key], truth[key]) for key in found)
    if isinstance(found, list) and isinstance(truth, list):
        return len(found) == len(truth) and all(map(agrees, found, truth))
    return bool(found == truth)
