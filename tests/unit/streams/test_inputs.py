"""What is remembered of inputs is bounded, and an analysis read again sees what it saw."""

from itertools import count

from streams.quality.assessor import EarlierResult
from streams.quality.input_state import OperationHistory, pack_input, unpack_input
from streams.quality.inputs import Inputs
from streams.quality.labels import truth_of
from tests.unit.streams.analysis_samples import analysis, label


def result(offset: int, name: str = "") -> EarlierResult:
    return EarlierResult(offset, name or f"a-{offset}", "real", 0.5, {})


def test_an_analysis_sees_results_before_its_own_offset_however_often_it_is_read():
    history = OperationHistory()
    for offset in (3, 7, 9, 7):
        history.note(result(offset), 5)

    assert [found.offset for found in history.earlier(7, "a-7")] == [3]
    assert [found.offset for found in history.earlier(10, "new")] == [3, 7, 9]


def test_an_analysis_that_is_sent_twice_is_no_evidence_about_itself():
    history = OperationHistory()
    history.note(result(3, "same"), 5)

    assert history.earlier(4, "same") == ()


def test_the_last_results_stay():
    history = OperationHistory()
    for offset in range(10):
        history.note(result(offset), 3)

    assert [found.offset for found in history.results] == [7, 8, 9]


def test_a_row_says_the_same_when_it_is_read_back():
    inputs = Inputs({}, 10)
    state = inputs.change("hash", 1)
    state.history(analysis()).note(result(3), 5)
    state.note_label("verdict", "ada", truth_of(label()))
    state.note_analysis("a-1", 3)

    assert unpack_input(pack_input(state)) == state


def test_an_analysis_read_again_knows_no_label_that_came_after_it():
    state = Inputs({}, 10).change("hash", 1)
    state.note_label("early", "ada", truth_of(label()))
    state.note_analysis("a-7", 7)
    state.note_label("late", "ada", truth_of(label()))

    assert state.truths_before(7).keys() == {"early"}
    assert state.truths_before(8).keys() == {"early", "late"}


def test_memory_is_flat_however_many_inputs_come():
    packed: dict[bytes, bytes] = {}
    inputs = Inputs(packed, 100)
    written: dict[bytes, bytes | None] = {}

    for number in range(5_000):
        inputs.change(f"hash-{number}", number)
        if number % 30 == 0:
            written |= dict(inputs.take_changes())
    written |= dict(inputs.take_changes())

    assert len(inputs) == len(packed) == 100
    assert {key for key, value in written.items() if value is not None} == packed.keys()


def test_the_input_used_least_recently_is_forgotten_also_after_a_restart():
    clock, packed = count(), {}
    inputs = Inputs(packed, 2)
    for name in ("first", "second", "first"):
        inputs.change(name, next(clock)).note_analysis(name, 0)
    inputs.take_changes()

    again = Inputs(packed, 2)
    again.change("third", next(clock))

    assert again.peek("second") is None
    assert again.peek("first") is not None
    assert dict(again.take_changes())[b"second"] is None


def test_an_input_that_comes_back_in_the_beat_in_which_it_is_forgotten_begins_anew():
    packed: dict[bytes, bytes] = {}
    inputs = Inputs(packed, 1)
    inputs.change("back", 1).note_analysis("old", 0)
    inputs.take_changes()
    inputs.change("other", 2)
    inputs.change("back", 3).note_analysis("new", 1)

    changes = dict(inputs.take_changes())

    assert unpack_input(changes[b"back"]).ids == ["new"]  # type: ignore[arg-type]
    assert list(packed) == [b"back"]


def test_a_version_grows_with_every_change():
    inputs = Inputs({}, 10)

    versions = [inputs.change("hash", now_ms).version for now_ms in (50, 50, 40, 90)]

    assert versions == sorted(set(versions))
