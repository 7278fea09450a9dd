"""A name that a tally has is counted completely; what may be incomplete is in `other`."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from schemas.fields import MAX_SUM, MOST_NAMES, Tally
from streams.measure.tallies import _merge, admitted, most_frequent

MANY = {f"name{number:03}": number + 1 for number in range(MOST_NAMES + 10)}
NAMES = st.dictionaries(
    st.sampled_from([f"n{number}" for number in range(2 * MOST_NAMES)]),
    st.integers(1, 5),
    max_size=2 * MOST_NAMES,
)


def test_up_to_the_limit_every_name_is_counted():
    few = dict(list(MANY.items())[:MOST_NAMES])
    assert admitted(few) == Tally(few, 0)


def test_beyond_the_limit_the_most_frequent_names_stay():
    tally = admitted(MANY)
    assert set(tally.names) == {name for name, _ in most_frequent(MANY)[:MOST_NAMES]}
    assert tally.other == sum(range(1, 11))


def test_a_name_that_other_may_hold_is_not_admitted_again():
    full = admitted(MANY)
    refused = "name000"
    assert refused not in full.names
    merged = _merge([full, Tally({refused: 1_000, "name059": 1})])
    assert refused not in merged.names
    assert merged.names["name059"] == 61
    assert merged.other == full.other + 1_000


def test_counts_stop_where_the_tables_integers_end():
    merged = _merge([Tally({"a": MAX_SUM}, MAX_SUM), Tally({"a": 1}, 1)])
    assert merged == Tally({"a": MAX_SUM}, MAX_SUM)


@given(st.lists(NAMES, min_size=1, max_size=8), st.randoms())
def test_in_any_order_of_merging_a_name_has_all_its_failures(parts, random):
    truth = sum((Counter(part) for part in parts), Counter())
    tallies = [admitted(part) for part in parts]
    while len(tallies) > 1:
        random.shuffle(tallies)
        taken = random.randint(2, len(tallies))
        tallies = [_merge(tallies[:taken]), *tallies[taken:]]
    (merged,) = tallies
    assert all(truth[name] == count for name, count in merged.names.items())
    assert sum(merged.names.values()) + merged.other == truth.total()
    assert len(merged.names) <= MOST_NAMES
    if len(truth) <= MOST_NAMES:
        assert merged == Tally(dict(truth), 0)
