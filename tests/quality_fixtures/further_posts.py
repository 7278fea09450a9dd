"""Job posts and others in further spellings, written after the formulas."""

from streams.quality.assessor import Truth
from tests.quality_fixtures.case import Case, before, factors, good, quotes

_NURSE = good(
    "nurse",
    """REGISTERED NURSE (RN) - ICU | Night | St. Brigid's Medical Center
NYC, NY

What you'll do:
• Monitor patients' vital signs
• Administer medication as prescribed
Pay range: $48.50-$61/hr. Sign-on bonus up to $10K
Posted 3 weeks ago. Job ID R-55021. Closing Apr 30, 2026.
EEO statement: we are an equal opportunity employer.""",
    {
        "label": "likely_real",
        "score": 0.18,
        "confidence": 0.91,
        "field_confidence": {"title": 0.99, "company": 0.98, "location": 0.97},
        "fields": {
            "title": "Registered Nurse - ICU (Night)",
            "company": "St Brigid’s Medical Center",
            "location": "New York City, NY, United States",
            "salary": {"min": 48.5, "max": 61, "currency": "USD", "period": "hour"},
            "signing_bonus": 10000,
            "posted_at": "2026-03-10",
            "closing_date": "2026-04-30",
            "job_id": "R-55021",
            "employment_type": "Full-time",
            "education": None,
            "remote": False,
        },
        "evidence": quotes(
            "“Monitor patients’ vital signs”",
            "Pay range: $48.50 – $61/hr…",
            "Sign-on bonus up to $10K",
            "WE ARE AN EQUAL OPPORTUNITY EMPLOYER",
        ),
        "factors": factors(("pay range given", "lowers", 0.5), ("closing date", "lowers", 0.3)),
    },
    operation="analyze_job",
    platform="workday",
    tokens=1_480,
)

_SRE = good(
    "site reliability engineer",
    """<article><h2 class='t'>Sr. Site Reliability Eng.</h2><span>Quillfeather.io</span><br>
Remote (EU timezones)
<p>We&#39;re a team of&nbsp;40. You&rsquo;ve run Kubernetes in anger &amp; lived.</p>
<p>&euro;85&thinsp;000&ndash;&euro;105&thinsp;000 + equity</p><p>Apply:
<a href="https://quillfeather.io/jobs/sre-7">here</a>
or mail <a href="mailto:jobs@quillfeather.io">us</a></p></article>""",
    {
        "label": "likely_real",
        "score": 0.25,
        "confidence": 0.8,
        "fields": {
            "title": "Senior Site Reliability Engineer",
            "company": "Quillfeather",
            "location": "Remote",
            "remote": True,
            "salary_min": 85000,
            "salary_max": 105000,
            "currency": "EUR",
            "apply_url": "https://quillfeather.io/jobs/sre-7",
            "email": "jobs@quillfeather.io",
            "team_size": 40,
            "skills": ["Kubernetes"],
            "industry": "Software",
        },
        "evidence": quotes(
            "You've run Kubernetes in anger & lived",
            "€85,000-€105,000 + equity",
            title="Sr. Site Reliability Eng.",
        ),
    },
    operation="parse_job_data",
)

_PIPELINE = good(
    "pipeline of candidates",
    """Sales Executive (m/f/d)

Our client, a leading player in its field, is always on the lookout for driven people.

- uncapped commission
- no experience required
- immediate start

This is an evergreen requisition; there may not be an opening at this time.
Reposted 11 times since 2024.
Agency: TalentBridge Global Ltd""",
    {
        "label": "Likely Ghost",
        "score": 0.92,
        "confidence": 0.77,
        "fields": {
            "title": "Sales Executive",
            "company": "TalentBridge Global",
            "location": None,
            "reposts": 11,
            "salary": "N/A",
            "experience": "none required",
        },
        "evidence": quotes(
            "This is an evergreen requisition; there may not be an opening at this time.",
            "Reposted 11 times",
            "uncapped commission, no experience required, immediate start",
        ),
        "factors": factors(
            ("evergreen", "raises", 0.9), ("reposted", "raises", 0.6), ("agency", "raises", 0.2)
        ),
    },
    operation="analyze_job",
    platform="indeed",
)

_GERMAN = good(
    "German office job",
    """Sachbearbeiter*in Buchhaltung (w/m/d) in Teilzeit (20-25 Std.)
Stadtwerke Görlitz AG, Demianiplatz 23, 02826 Görlitz
Wir bieten: Vergütung nach TV-V, EG 8 (42.300,- € bis 51.900,- € p.a. bei Vollzeit)
Eintritt: zum nächstmöglichen Zeitpunkt, Bewerbungsfrist: 15. Juni 2026
Ansprechpartner: Herr Thomas Weiß, Tel. 03581/335-0""",
    {
        "label": "real",
        "score": 0.08,
        "fields": {
            "title": "Sachbearbeiter/in Buchhaltung",
            "company": "Stadtwerke Goerlitz AG",
            "location": "Görlitz",
            "salary_min": 42300,
            "salary_max": 51900,
            "application_deadline": "15.06.2026",
            "contact_name": "Thomas Weiss",
            "phone": "03581 335-0",
            "hours": "20–25",
        },
        "evidence": quotes("Wir bieten: Vergütung nach TV-V", "Bewerbungsfrist: 15. Juni 2026"),
    },
    operation="parse_job_data",
)

_MARKDOWN = good(
    "post in Markdown",
    """## Staff ML Engineer @ [Lumen & Co](https://lumen.example)
**Where:** San Francisco, CA / hybrid (3d)  **Comp:** 220-260k + 0.05–0.1%
> You _will_ own ranking, end-to-end.
`pip install lumen` :) | H1B transfer OK | posted: 2026/02/11""",
    {
        "label": "likely_real",
        "score": 0.31,
        "fields": {
            "title": "Staff Machine Learning Engineer",
            "company": "Lumen & Co.",
            "location": "San Francisco, California",
            "salary_min": 220000,
            "salary_max": 260000,
            "visa": "H1B transfer",
            "posted_at": "Feb 11, 2026",
            "work_mode": "Hybrid",
        },
        "evidence": quotes("You will own ranking, end-to-end", "H1B transfer OK"),
    },
    operation="parse_job_data",
)

_CONTRACT = good(
    "rental listing",
    """FOR RENT: 2BR/1BA apt., 740 sq ft, 118 Alder Street #3, Portland OR 97205
$1,895/mo + utilities; $1,500 deposit; 12-mo lease; cats OK, no dogs. Avail. 9/1.
Call Renée 503.555.0142""",
    {
        "label": "genuine",
        "score": 0.66,
        "fields": {
            "address": "118 Alder St. #3, Portland, OR 97205",
            "bedrooms": 2,
            "area_sq_ft": 740,
            "rent": 1895,
            "deposit": "$1,500.00",
            "pets": "cats only",
            "phone": "(503) 555-0142",
            "contact_name": "Renee",
            "lease_months": 12,
        },
        "evidence": quotes("cats OK, no dogs", "12-mo lease"),
    },
    operation="extract_listing",
)

_REVIEW = good(
    "review",
    "Bought these boots in Nov. for my hike... soles came off after 2 weeks!!! "
    "The shop (TrailHead Outfitters, "
    "Boulder) refused a refund. 1/5 would NOT recommend 😡",
    {
        "label": "negative",
        "score": 0.04,
        "fields": {
            "shop_name": "Trailhead Outfitters",
            "location": "Boulder",
            "product": "boots",
            "rating": 1,
            "main_issue": "Soles detached shortly after purchase",
        },
        "evidence": quotes("would NOT recommend 😡", "soles came off after 2 weeks"),
        "factors": factors(("refund refused", "lowers", 0.7), ("defect", "lowers", 0.9)),
    },
    operation="classify_review",
)

_AGAIN = _NURSE.but(
    "again", earlier=(before(9, "likely_real", 0.22, title="Registered Nurse - ICU (Night)"),)
)

GOOD: list[Case] = [
    *(_NURSE, _SRE, _PIPELINE, _GERMAN, _MARKDOWN, _CONTRACT, _REVIEW, _AGAIN),
    _SRE.but("confirmed", input={"facts": {"company": "Quillfeather GmbH", "remote": True}}),
    _PIPELINE.but("known", labels={"verdict": Truth("likely_ghost", verified=True)}),
    _GERMAN.but("once more", earlier=(before(1, "likely_real", 0.1, location="Goerlitz"),)),
]

BAD: list[Case] = [
    _NURSE.bad("invented_value", "accuracy", "Mercy", fields={"company": "Mercy General Hospital"}),
    _NURSE.bad("invented_value", "accuracy", "Chicago", fields={"location": "Chicago, IL"}),
    _NURSE.bad(
        "invented_quote",
        "accuracy",
        result={"evidence": quotes("Relocation assistance is available for qualified candidates")},
    ),
    _NURSE.bad("malformed_value", "accuracy", fields={"closing_date": "2026-04-31"}),
    _SRE.bad("invented_value", "accuracy", "145000", fields={"salary_max": 145000}),
    _SRE.bad("invented_value", "accuracy", "hr@", fields={"email": "hr@quillwork.io"}),
    _SRE.bad("missing_field", "accuracy", "company", fields={"company": ""}),
    _PIPELINE.bad(
        "altered_quote",
        "accuracy",
        "not",
        result={"evidence": quotes("there may be an opening at this time")},
    ),
    _PIPELINE.bad(
        "altered_quote",
        "accuracy",
        "41",
        how="figure",
        result={"evidence": quotes("Reposted 41 times since 2024")},
    ),
    _PIPELINE.bad(
        "wrong_verdict",
        "accuracy",
        labels={"verdict": Truth("likely_real", verified=True)},
    ),
    _GERMAN.bad("invented_value", "accuracy", "Zittau", fields={"company": "Wohnbau Zittau eG"}),
    _GERMAN.bad("wrong_value", "accuracy", "Görlitz", input={"facts": {"location": "Bautzen"}}),
    _MARKDOWN.bad("invented_value", "accuracy", "Data", fields={"title": "Data Entry Clerk"}),
    _CONTRACT.bad("invented_value", "accuracy", "2895", fields={"rent": 2895}),
    _CONTRACT.bad("altered_quote", "accuracy", result={"evidence": quotes("cats OK, no birds")}),
    _REVIEW.bad("invented_value", "accuracy", "Denver", fields={"location": "Denver"}),
    _REVIEW.bad(
        "invented_quote",
        "accuracy",
        result={"evidence": quotes("fast delivery and friendly staff, will buy again")},
    ),
    _PIPELINE.bad("label_contradicts_score", "consistency", result={"score": 0.11, "factors": []}),
    _NURSE.bad("label_contradicts_score", "consistency", result={"label": "likely_ghost"}),
    _REVIEW.bad("factors_contradict_score", "consistency", result={"score": 0.93}),
    _AGAIN.bad(
        "changed_label",
        "consistency",
        result={"label": "likely_ghost", "score": 0.6, "factors": []},
    ),
    _AGAIN.bad("changed_score", "consistency", result={"score": 0.47, "label": None}),
    _NURSE.bad(
        "confidence_contradicts_fields",
        "consistency",
        result={"field_confidence": {"title": 0.3, "company": 0.25, "location": 0.4}},
    ),
    _SRE.bad("slow", "performance", duration_ms=7_500.0),
    _NURSE.bad("retried", "reliability", attempt=2),
    _GERMAN.bad("fallback_used", "reliability", fallback="heuristics"),
]
