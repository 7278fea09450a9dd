"""Hold what a table row says of one input: its last results, its labels, its remediations.

The row is read back after a crash with what came later in it already. So entries carry offsets,
and an analysis sees only those before its own.
"""

import msgspec

from schemas.analyses import Analysis
from streams.quality.assessor import EarlierResult
from streams.quality.labels import SourceTruth, Truths, note_truth

#: Operations of one input that are kept, …
MOST_OPERATIONS = 8
#: … attempts to remedy, of which no configuration allows as many, …
MOST_ATTEMPTS = 32
#: … and ids of analyses.
MOST_IDS = 10


class RemediationAttempt(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An analysis that was asked to be repeated, or that somebody repeated."""

    analysis: str
    offset: int
    """Of the analysis that was bad, or of the repeat if nobody had asked for it."""
    at_ms: int
    number: int
    """1 is the first of its input."""


def _offset_of(entry: EarlierResult | RemediationAttempt) -> int:
    return entry.offset


class OperationHistory(msgspec.Struct, array_like=True, gc=False):
    """What an operation of a service made of an input."""

    results: list[EarlierResult] = []
    """In the order of their offsets."""
    attempts: list[RemediationAttempt] = []

    def note(self, result: EarlierResult, most: int) -> None:
        """Add a result, unless it is there; of more than `most` the earliest is dropped."""
        if all(result.offset != other.offset for other in self.results):
            self.results.append(result)
            self.results.sort(key=_offset_of)
            del self.results[:-most]

    def earlier(self, offset: int, analysis: str) -> tuple[EarlierResult, ...]:
        """Return the results before an offset, but for those of the analysis itself."""
        return tuple(
            result for result in self.results if result.offset < offset and result.id != analysis
        )

    def attempts_until(self, offset: int, analysis: str) -> list[RemediationAttempt]:
        """Return the attempts up to an offset, but for that of the analysis itself."""
        return [
            attempt
            for attempt in self.attempts
            if attempt.offset <= offset and attempt.analysis != analysis
        ]

    def attempt_of(self, analysis: str) -> RemediationAttempt | None:
        """Return the attempt to remedy an analysis."""
        return next((found for found in self.attempts if found.analysis == analysis), None)

    def add_attempt(self, attempt: RemediationAttempt) -> None:
        """Note an attempt."""
        self.attempts.append(attempt)
        self.attempts.sort(key=_offset_of)
        del self.attempts[:-MOST_ATTEMPTS]


class InputState(msgspec.Struct, array_like=True, gc=False):
    """What is known of an input."""

    version: int = 0
    """Only grows."""
    truths: Truths = {}
    histories: dict[str, OperationHistory] = {}
    ids: list[str] = []
    """The last analyses of it: a label by the input's hash is about them."""
    last_offset: int = -1
    """Of its analyses."""
    after: dict[str, dict[str, int]] = {}
    """The last offset when each truth came: earlier analyses do not know it, also read again."""

    def history(self, analysis: Analysis) -> OperationHistory:
        """Return the history of the analysis' service and operation."""
        name = f"{analysis.service}\0{analysis.operation}"
        history = self.histories.pop(name, None) or OperationHistory()
        self.histories[name] = history  # last, since it was used last
        while len(self.histories) > MOST_OPERATIONS:
            del self.histories[next(iter(self.histories))]
        return history

    def note_label(self, about: str, source: str, truth: SourceTruth) -> None:
        """Note what a source found out."""
        if note_truth(self.truths, about, source, truth):
            self.after.setdefault(about, {})[source] = self.last_offset

    def truths_before(self, offset: int) -> Truths:
        """Return what was known when an analysis came."""
        before = {
            about: {
                source: truth
                for source, truth in sources.items()
                if self.after.get(about, {}).get(source, -1) < offset
            }
            for about, sources in self.truths.items()
        }
        return {about: sources for about, sources in before.items() if sources}

    def note_analysis(self, analysis: str, offset: int) -> None:
        """Note an analysis of this input."""
        self.last_offset = max(self.last_offset, offset)
        if analysis not in self.ids:
            self.ids.append(analysis)
            del self.ids[:-MOST_IDS]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(InputState).decode
_parts_of = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def pack_input(state: InputState) -> bytes:
    """Return a row's value."""
    return _encode(state)


def unpack_input(packed: bytes) -> InputState:
    """Return what a row says."""
    return _decode(packed)


def version_of(packed: bytes) -> int:
    """Return a row's version without the rest."""
    version: int = msgspec.msgpack.decode(_parts_of(packed)[0], type=int)
    return version
