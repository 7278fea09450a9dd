"""Job posts, as boards and careers pages have them."""

from streams.quality.assessor import Truth
from tests.quality_fixtures.case import Case, before, factors, good, quotes

_PLAIN = good(
    "plain job post",
    """Senior Backend Engineer
Northwind Traders, Inc. · Austin, Texas (hybrid) · Posted March 4, 2026

We’re looking for a senior backend engineer to own our billing platform. You’ll work
with Python, PostgreSQL and Kafka.

Compensation: $140,000 – $165,000 per year, plus equity.
Three interviews, an answer within two weeks. Contact: Dana Whitfield, talent@northwind.example
""",
    {
        "label": "likely_real",
        "score": 0.14,
        "confidence": 0.88,
        "field_confidence": {"title": 0.95, "company": 0.93, "location": 0.8},
        "fields": {
            "title": "Senior Backend Engineer",
            "company": "Northwind Traders",
            "location": "Austin, TX",
            "salary_min": 140000,
            "salary_max": 165000,
            "employment_type": "full_time",
            "remote": False,
            "posted_at": "2026-03-04",
            "contact": "Dana Whitfield",
            "email": "talent@northwind.example",
            "skills": ["Python", "Postgres", "Kafka"],
            "visa": None,
        },
        "evidence": quotes(
            "Three interviews, an answer within two weeks",
            title="Senior Backend Engineer",
            salary_min="Compensation: $140,000 - $165,000 per year",
        ),
        "factors": factors(
            ("names the hiring manager", "lowers", 0.6), ("states a salary", "lowers", 0.7)
        ),
    },
    operation="analyze_job",
    platform="greenhouse",
)

_HTML = good(
    "job post with remnants of HTML",
    """<div class="job"><h1>Kfz-Mechatroniker&nbsp;(m/w/d)</h1>
<p>Autohaus M&uuml;ller&amp;S&ouml;hne GmbH &ndash; Standort N&uuml;rnberg</p>
<ul><li>Unbefristeter Vertrag, 38&nbsp;Std./Woche</li>
<li>Gehalt: 3.400&nbsp;&euro; bis 3.900&nbsp;&euro; brutto</li>
<li>30 Tage Urlaub</li></ul><p>Bewerbung bis 31.05.2026 an Frau Ilse Krämer.</p></div>""",
    {
        "label": "likely_real",
        "score": 0.2,
        "confidence": 0.9,
        "fields": {
            "title": "Kfz-Mechatroniker (m/w/d)",
            "company": "Autohaus Mueller & Soehne",
            "location": "Nuernberg",
            "salary": "3400-3900 EUR",
            "deadline": "2026-05-31",
            "contact_person": "Ilse Kraemer",
            "vacation_days": 30,
        },
        "evidence": quotes("30 Tage Urlaub", "Unbefristeter Vertrag, 38 Std./Woche"),
        "factors": factors(("nennt Gehalt und Frist", "lowers", 1.0)),
    },
    operation="parse_job_data",
    platform="indeed",
)

_GHOST = good(
    "vague job post",
    """** ALWAYS HIRING **  Customer Success Rockstars!!!  @ Brightpath Staffing Partners
Location: Anywhere (US)   Req. id: EVERGREEN-0091
We are building our talent pipeline for future openings. Competitive pay. Fast-paced family!
This requisition does not correspond to a current vacancy; resumes are kept on file.
""",
    {
        "label": "likely_ghost",
        "score": 0.87,
        "confidence": 0.82,
        "fields": {
            "title": "Customer Success Rockstar",
            "company": "BrightPath Staffing Partners LLC",
            "location": "Remote",
            "remote": True,
            "salary": None,
            "requisition_id": "EVERGREEN-0091",
        },
        "evidence": quotes(
            "building our talent pipeline for future openings",
            "This requisition does not correspond to a current vacancy",
        ),
        "factors": factors(
            ("admits that there is no vacancy", "raises", 0.9),
            ("no salary", "raises", 0.4),
            ("names an agency", "lowers", 0.2),
        ),
    },
    operation="analyze_job",
    platform="linkedin",
)

_FRENCH = good(
    "French job post",
    """Boulangerie Lefèvre recrute : pâtissier(ère) en CDI à Aix-en-Provence.
Prise de poste le 1er avril 2026 – horaires : 5 h à 12 h, du mardi au samedi.
Salaire : 2 150 € net par mois. Candidature auprès de M. Étienne Lefèvre au 04 42 55 01 23.""",
    {
        "label": "likely_real",
        "score": 0.1,
        "fields": {
            "title": "Pâtissier",
            "company": "Boulangerie Lefevre",
            "location": "Aix en Provence, France",
            "salary": 2150,
            "phone": "+33 4 42 55 01 23",
            "contract_type": "permanent",
        },
        "evidence": quotes(salary="Salaire : 2 150 € net par mois"),
    },
    operation="parse_job_data",
)

_LINES = good(
    "job post torn into short lines",
    "Ware-\nhouse    Asso-\nciate\n\n|  Night shift  |\n\n|  Fulton Logistics  |\n\n"
    "|  Reno ,  NV  |\n\n"
    "$21 . 50 / hour\n\nMust  lift  50  lbs .\n\nNo experience\nneeded .\n\nStart:  ASAP",
    {
        "label": "uncertain",
        "score": 0.48,
        "confidence": 0.55,
        "fields": {
            "title": "Warehouse Associate",
            "company": "Fulton Logistics",
            "location": "Reno, NV",
            "hourly_rate": "$21.50",
            "start_date": "ASAP",
            "shift": "night",
        },
        "evidence": quotes("Must lift 50 lbs.", "No experience needed"),
        "factors": factors(("no date", "raises", 0.5), ("states the pay", "lowers", 0.5)),
    },
    operation="parse_job_data",
    platform="lever",
)

_JAPANESE = good(
    "Japanese job post",
    "【正社員】データアナリスト募集／株式会社みなと製作所（神戸市中央区）\n"
    "年収：550万円〜700万円。勤務時間は9:30〜18:00、週2日は在宅勤務が可能です。\n"
    "応募締切：2026年4月15日。面接は2回を予定しています。",
    {
        "label": "likely_real",
        "score": 0.22,
        "fields": {
            "title": "データアナリスト",
            "company": "株式会社みなと製作所",
            "location": "神戸市",
        },
        "evidence": quotes("週2日は在宅勤務が可能です", "面接は2回を予定しています"),
    },
    operation="parse_job_data",
)

_FACTS = _PLAIN.but(
    "with facts",
    input={"facts": {"company": "NORTHWIND TRADERS INC", "salary_min": "$140k", "remote": "no"}},
)
_KNOWN = _GHOST.but(
    "with labels", labels={"verdict": Truth("ghost", True), "title": Truth("customer success")}
)
_EXCERPT = good(
    "excerpt of a job post",
    "…the Harbor & Pine team is growing: we need a part-time bookkeeper for our Duluth office…",
    {
        "label": "likely_real",
        "score": 0.3,
        "fields": {"title": "Bookkeeper (part-time)", "company": "Harbor and Pine", "salary": None},
        "evidence": quotes("we need a part-time bookkeeper"),
    },
    operation="analyze_job",
    input={"is_excerpt": True, "url": "https://jobs.example/harbor-and-pine/991"},
)
_AGAIN = _GHOST.but(
    "again", earlier=(before(4, "likely_ghost", 0.84, company="Brightpath Staffing Partners"),)
)

GOOD: list[Case] = [
    *(_PLAIN, _HTML, _GHOST, _FRENCH, _LINES, _JAPANESE, _FACTS, _KNOWN, _EXCERPT, _AGAIN),
    _PLAIN.but("shouted", fields={"title": "SENIOR BACKEND ENGINEER", "salary_min": "140K"}),
    _PLAIN.but("other dates", fields={"posted_at": "04.03.2026", "location": "Austin"}),
    _PLAIN.but("a little slow", duration_ms=2_900.0, tokens=6_500),
    _LINES.but("few fields", fields={"hourly_rate": None, "start_date": None, "shift": None}),
]

BAD: list[Case] = [
    _PLAIN.bad(
        "invented_quote",
        "accuracy",
        "visa sponsorship",
        result={"evidence": quotes("We offer visa sponsorship and relocation to all candidates")},
    ),
    _PLAIN.bad(
        "invented_value",
        "accuracy",
        "Contoso",
        how="swapped company",
        fields={"company": "Contoso"},
    ),
    _PLAIN.bad("missing_field", "accuracy", "title", fields={"title": None}),
    _PLAIN.bad(
        "invented_value", "accuracy", "240000", how="invented pay", fields={"salary_max": 240000}
    ),
    _PLAIN.bad("malformed_value", "accuracy", "2026-13-45", fields={"posted_at": "2026-13-45"}),
    _PLAIN.bad(
        "altered_quote",
        "accuracy",
        "160",
        result={"evidence": quotes("Compensation: $160,000 – $185,000 per year, plus equity")},
    ),
    _FACTS.bad("wrong_value", "accuracy", "Dana", fields={"company": "Dana Whitfield"}),
    _HTML.bad(
        "invented_value",
        "accuracy",
        "Bäckerei",
        how="company of another post",
        fields={"company": "Bäckerei Huber KG"},
    ),
    _HTML.bad(
        "invented_quote",
        "accuracy",
        result={"evidence": quotes("Wir zahlen Weihnachtsgeld und eine Betriebsrente")},
    ),
    _HTML.bad("malformed_value", "accuracy", "31.02", fields={"deadline": "31.02.2026"}),
    _GHOST.bad(
        "altered_quote",
        "accuracy",
        "not",
        how="negation dropped",
        result={"evidence": quotes("This requisition does correspond to a current vacancy")},
    ),
    _KNOWN.bad(
        "wrong_verdict",
        "accuracy",
        "likely_real",
        result={"label": "likely_real", "score": 0.2, "factors": []},
    ),
    _FRENCH.bad(
        "invented_value", "accuracy", "Marseille", fields={"location": "Marseille, France"}
    ),
    _JAPANESE.bad(
        "invented_value", "accuracy", "company", fields={"company": "大阪電機工業株式会社"}
    ),
    _LINES.bad("missing_field", "accuracy", "company", fields={"company": "N/A"}),
    _GHOST.bad(
        "label_contradicts_score",
        "consistency",
        "likely_real",
        result={"label": "likely_real", "factors": []},
    ),
    _PLAIN.bad(
        "factors_contradict_score", "consistency", "lower", result={"score": 0.81, "label": "x"}
    ),
    _PLAIN.bad(
        "confidence_contradicts_fields",
        "consistency",
        "location",
        result={"field_confidence": {"title": 0.4, "company": 0.3, "location": 0.2}},
    ),
    _AGAIN.bad("changed_label", "consistency", "uncertain", result={"label": "uncertain"}),
    _AGAIN.bad("changed_score", "consistency", "0.51", result={"score": 0.51}),
    _AGAIN.bad("changed_field", "consistency", "Apex", fields={"company": "Apex Recruiting"}),
    _PLAIN.bad("slow", "performance", "14.0 s", duration_ms=14_000.0),
    _HTML.bad("slow", "performance", "5.2 s", how="rather slow", duration_ms=5_200.0),
    _GHOST.bad("many_tokens", "performance", "41,000", tokens=41_000),
    _LINES.bad("many_attempts", "performance", "3 attempts", attempt=3),
    _LINES.bad("retried", "reliability", "attempt 3", attempt=3),
    _FRENCH.bad("fallback_used", "reliability", "regex", fallback="regex"),
    _GHOST.bad("errors_on_the_way", "reliability", "timeout", errors=["timeout after 30 s"]),
    _HTML.bad("degraded_dependency", "reliability", "model-host", degraded=["model-host"]),
]
