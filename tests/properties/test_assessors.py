"""Any analysis is assessed: no exception, a score from 0 to 1, in time that its size bounds."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.quality_file.assessors import load_assessors
from schemas.analyses import Analysis
from schemas.quality_scores import QualityScore
from streams.quality.assessor import Assessed, Context, EarlierResult, Truth
from streams.quality.earlier import earlier_of
from streams.quality.score import combine
from tests.effort import examples

ASSESSORS = load_assessors([])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
PIECES = st.sampled_from(
    ["<b", "&amp;", "…", "[...]", "1.200", "2026-02-30", "\u0301\u0323", "k", "  ", "not", "ſ", "ﷺ"]
)
MESSY = st.one_of(TEXT, st.lists(st.one_of(PIECES, TEXT), max_size=12).map("".join))
SHARE = st.floats(0, 1)
NAME = st.one_of(
    st.sampled_from(["title", "company", "salary", "posted_at", "email"]), TEXT.filter(bool)
)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**400), 10**400), NUMBER, MESSY),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=8,
)
FIELDS = st.dictionaries(NAME, VALUE, max_size=6)
WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
OPTIONAL_WORD = st.one_of(st.none(), WORD)
RESULT = st.fixed_dictionaries(
    {
        "label": st.one_of(st.none(), st.just("likely_real"), WORD),
        "score": st.one_of(st.none(), SHARE),
        "confidence": st.one_of(st.none(), SHARE),
        "field_confidence": st.one_of(st.none(), st.dictionaries(NAME, SHARE, max_size=4)),
        "fields": FIELDS,
        "evidence": st.lists(
            st.fixed_dictionaries(
                {"quote": MESSY.filter(bool), "field": st.one_of(st.none(), NAME)}
            ),
            max_size=4,
        ),
        "factors": st.lists(
            st.fixed_dictionaries(
                {
                    "description": TEXT,
                    "direction": st.sampled_from(["raises", "lowers"]),
                    "weight": SHARE,
                }
            ),
            max_size=4,
        ),
    }
)
ANALYSIS = st.fixed_dictionaries(
    {
        "id": st.just("a1"),
        "service": st.just("s"),
        "operation": st.sampled_from(["parse_job", "x"]),
        "occurred_at": st.just(1_772_600_760_000),
        "duration_ms": st.floats(0, 1e10),
        "tokens": st.one_of(st.none(), st.integers(0, 10**9)),
        "attempt": st.integers(1, 1000),
        "fallback": OPTIONAL_WORD,
        "errors": st.lists(TEXT, max_size=3),
        "degraded": st.lists(WORD, max_size=3),
        "cached": OPTIONAL_WORD,
        "remediates": OPTIONAL_WORD,
        "input": st.fixed_dictionaries(
            {
                "hash": st.just("h"),
                "text": st.one_of(st.none(), MESSY),
                "is_excerpt": st.booleans(),
                "url": st.one_of(st.none(), TEXT),
                "facts": st.one_of(st.none(), FIELDS),
            }
        ),
        "result": RESULT,
    }
).map(Analysis.model_validate)
EARLIER = st.lists(ANALYSIS, max_size=3).map(
    lambda analyses: tuple(it for number, a in enumerate(analyses) if (it := earlier_of(a, number)))
)
LABELS = st.dictionaries(
    st.one_of(st.just("verdict"), NAME), st.builds(Truth, VALUE, st.booleans()), max_size=3
)


def scored(analysis: Analysis, context: Context) -> QualityScore:
    answers = {it.dimension: it.assess(analysis, context) for it in ASSESSORS}
    return combine(
        analysis,
        {name: it for name, it in answers.items() if isinstance(it, Assessed)},
        context.config,
        assessors=ASSESSORS,
        configuration="c",
        source=(0, 0),
        took_ms=0.0,
        each_took_ms={},
    )


@settings(max_examples=examples(100))
@given(ANALYSIS, EARLIER, LABELS)
def test_any_analysis_is_assessed(
    analysis: Analysis, earlier: tuple[EarlierResult, ...], labels: dict[str, Truth]
):
    score = scored(analysis, Context(earlier=earlier, labels=labels))
    assert score.overall is not None
    assert 0 <= score.overall <= 1
    assert QualityScore.model_validate_json(score.model_dump_json()) == score


@settings(max_examples=examples(100))
@given(ANALYSIS)
def test_the_same_analysis_is_consistent_with_itself(analysis: Analysis):
    earlier = earlier_of(analysis.model_copy(update={"id": "a0"}), 0)
    fresh = analysis.model_copy(update={"remediates": None})
    context = Context(earlier=(earlier,) if earlier else ())
    consistency = next(it for it in ASSESSORS if it.dimension == "consistency")
    answer = consistency.assess(fresh, context)
    codes = {finding.code for finding in answer.findings} if answer else set()
    assert not codes & {"changed_label", "changed_score", "changed_field", "lost_field"}


LETTERS = st.text(st.characters(categories=["Ll", "Lu", "Nd"]), min_size=1, max_size=9)
GAPS = st.sampled_from([" ", "\n\n", " – ", ", ", " / ", "\t•", "’ ", "<br/>", "&nbsp;"])


@settings(max_examples=examples(100))
@given(st.lists(LETTERS, min_size=1, max_size=30), st.data())
def test_what_is_cut_from_the_input_is_real_whatever_its_gaps(
    words: list[str], data: st.DataObject
):
    text = "".join(word + data.draw(GAPS) for word in words)
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    quote = "".join(word + data.draw(GAPS) for word in words[start:end])
    body = {"label": "x", "evidence": [{"quote": quote}]}
    analysis = Analysis.model_validate(
        {
            "id": "a",
            "service": "s",
            "operation": "x",
            "occurred_at": 1_772_600_760_000,
            "duration_ms": 1.0,
            "input": {"hash": "h", "text": text},
            "result": body,
        }
    )
    accuracy = ASSESSORS[0].assess(analysis, Context())
    assert accuracy is None or accuracy.findings == ()


HOSTILE = {
    "words": lambda n: "lorem ipsum dolor sit amet " * (n // 27),
    "marks": lambda n: "\u0301\u0323" * (n // 2),
    "tags": lambda n: "<a " * (n // 3),
    "links": lambda n: "](" * (n // 2),
    "entities": lambda n: "&amp;" * (n // 5),
    "ligatures": lambda n: "\ufdfa" * n,
    "digits": lambda n: "1" * n,
    "separated digits": lambda n: "1," * (n // 2),
    "months": lambda n: "1. mar " * (n // 7),
    "dots": lambda n: ". " * (n // 2),
    "one word": lambda n: "ab" * (n // 2),
    "names": lambda n: "Ab Cd " * (n // 6),
    "acronyms": lambda n: "AB CD " * (n // 6),
    "dates": lambda n: "1-1-1-" * (n // 6),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_time_is_in_proportion_to_the_size(text):
    """Compared with one eighth of the size: a square would take 64 times as long, not 8."""

    def processor_s(size: int) -> float:
        body = text(size)
        quotes = [
            {"quote": (f"dolor {number} ipsum " + body[:4000])[:4000]} for number in range(50)
        ]
        analysis = Analysis.model_validate(
            {
                "id": "a",
                "service": "s",
                "operation": "x",
                "occurred_at": 1_772_600_760_000,
                "duration_ms": 1.0,
                "input": {"hash": "h", "text": body},
                "result": {
                    "label": "x",
                    "fields": {f"name_{n}": body[n : n + 3000] for n in range(50)},
                    "evidence": quotes,
                },
            }
        )
        context = Context()
        begun = time.process_time()
        for assessor in ASSESSORS:
            assessor.assess(analysis, context)
        return time.process_time() - begun

    processor_s(1_000)
    small, large = processor_s(256 * 1024 // 8), processor_s(256 * 1024)
    assert large < max(24 * small, 0.5)
