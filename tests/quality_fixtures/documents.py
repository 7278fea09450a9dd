"""Resumes, support tickets and product pages: what is true of job posts only fails here."""

from streams.quality.assessor import Truth
from tests.quality_fixtures.case import Case, before, factors, good, quotes

_RESUME = good(
    "resume",
    """MAGDALENA WÓJCIK — Kraków, Poland — m.wojcik@poczta.example — +48 601 234 567

EXPERIENCE
2021–present   Lead Data Scientist, Vistula Analytics sp. z o.o.
  • Cut churn by 12% with gradient-boosted models   • Led a team of seven
2017–2021      Data Analyst, Bank Wawelski S.A.
EDUCATION  MSc Applied Mathematics, Jagiellonian University, 2017
LANGUAGES  Polish (native), English (C1), German (B2)""",
    {
        "label": "strong_match",
        "score": 0.83,
        "confidence": 0.9,
        "fields": {
            "name": "Magdalena Wojcik",
            "email": "M.Wojcik@poczta.example",
            "phone": "+48601234567",
            "city": "Krakow",
            "current_title": "Lead Data Scientist",
            "current_employer": "Vistula Analytics",
            "university": "Jagiellonian University",
            "languages": ["Polish", "English", "German"],
            "seniority": "Lead",
            "years_of_experience": 9,
            "linkedin_url": None,
        },
        "evidence": quotes("Cut churn by 12% with gradient-boosted models", "Led a team of seven"),
        "factors": factors(("leads a team", "raises", 0.8), ("no publications", "lowers", 0.1)),
    },
    operation="screen_resume",
)

_CV_GERMAN = good(
    "German resume",
    """Lebenslauf
Name: Jörg Großmann
Geburtsdatum: 12. August 1988
Anschrift: Lindenstraße 8, 04109 Leipzig

Beruf: Elektroniker für Betriebstechnik (IHK, Note 1,7)
03/2015 – heute: Stadtwerke Leipzig, Schichtführer in der Leitwarte
Führerschein: B, BE""",
    {
        "label": "match",
        "score": 0.7,
        "fields": {
            "name": "Joerg Grossmann",
            "date_of_birth": "1988-08-12",
            "address": "Lindenstr. 8, 04109 Leipzig",
            "profession_title": "Elektroniker für Betriebstechnik",
            "employer": "Stadtwerke Leipzig",
            "grade": 1.7,
        },
        "evidence": quotes("Schichtführer in der Leitwarte"),
    },
    operation="screen_resume",
)

_TICKET = good(
    "support ticket",
    """From: "Priya Raman" <priya@fernwood.example>
Subject: RE: RE: charged twice?? order #88-20417

Hi - I was charged twice for order #88-20417 on 2/11/2026 (EUR 59,90 each). I already wrote
last week and nobody replied!!! Please refund the second payment or I'll dispute it w/ my bank.
> On Mon, support wrote: we are looking into it
Sent from my iPhone""",
    {
        "label": "billing",
        "score": 0.91,
        "confidence": 0.93,
        "fields": {
            "customer_name": "Priya Raman",
            "order_id": "88-20417",
            "amount": 59.9,
            "priority": "High",
            "sentiment": "Negative",
            "category": "Billing dispute",
            "summary": "The customer was billed two times for one order and wants money back.",
            "product": None,
        },
        "evidence": quotes(
            "I was charged twice for order #88-20417",
            "nobody replied!!! Please refund the second payment ... dispute it w/ my bank",
        ),
    },
    operation="triage_ticket",
    platform="email",
)

_CHAT = good(
    "chat about a router",
    "agent: hello 👋 how can i help\nuser: my AX-3200 router reboots every 10 minutes"
    " since firmware 4.1.7\n"
    "agent: did you try a factory reset\nuser: yes. twice. it didn't help, light stays amber\n"
    "user: i need it for work, can u send a replacement by friday",
    {
        "label": "hardware",
        "score": 0.78,
        "fields": {
            "product_model": "AX-3200",
            "firmware": "4.1.7",
            "issue_category": "connectivity",
            "urgency": "high",
            "replacement_requested": True,
            "customer_email": None,
        },
        "evidence": quotes("reboots every 10 minutes", "it didn’t help, light stays amber"),
        "factors": factors(("reset did not help", "raises", 0.9)),
    },
    operation="triage_ticket",
    platform="chat",
)

_PRODUCT = good(
    "product page",
    """Home > Kitchen > Kettles
**Aurelia Gooseneck Kettle 0.9 L** – by [Hearth & Hollow](https://hh.example/brand)
★★★★☆ 4.3 (1,284 ratings)   SKU: HH-GK-090-BLK
~~$89.00~~ **$64.50** In stock. Ships in 1–2 days.
- 1200 W, variable temperature 40 °C to 100 °C
- Stainless steel; BPA-free lid
Note: not suitable for induction hobs.""",
    {
        "label": "in_stock",
        "score": 0.95,
        "fields": {
            "product_name": "Aurelia Gooseneck Kettle (0.9L)",
            "brand": "Hearth &amp; Hollow",
            "sku": "HH-GK-090-BLK",
            "price": 64.5,
            "currency": "USD",
            "rating": 4.3,
            "rating_count": 1284,
            "availability": "in_stock",
            "power_w": 1200,
            "category": "Kitchen appliances",
        },
        "evidence": quotes("not suitable for induction hobs", price="$64.50 In stock"),
    },
    operation="extract_product",
)

_SPANISH = good(
    "Spanish product page",
    "Zapatillas de montaña «Sierra Nevada II» — Calzados Íñigo. Ahora 74,95 € (antes 99,95 €). "
    "Tallas 36 a 45. Suela Vibram®, membrana impermeable. Envío gratis a partir de 50 €. "
    "Devoluciones hasta el 15 de enero de 2027.",
    {
        "label": "available",
        "score": 0.9,
        "fields": {
            "product_name": "Sierra Nevada II",
            "brand": "Calzados Inigo",
            "price": "74.95 EUR",
            "waterproof": True,
            "return_date": "2027-01-15",
        },
        "evidence": quotes("membrana impermeable", "Envío gratis a partir de 50 €"),
    },
    operation="extract_product",
)

_LONG = good(
    "long manual",
    "\n\n".join(
        f"Section {n}. Turn knob {n} by {n * 7} degrees, wait {n} seconds, note {n * 13}."
        for n in range(1, 400)
    )
    + "\n\nManufacturer: Østerberg Værktøj A/S, Model VX-77. Warranty void if seal #5 is broken.",
    {
        "label": "manual",
        "score": 0.6,
        "fields": {
            "manufacturer": "Osterberg Vaerktoj",
            "product_model": "VX-77",
            "sections": 399,
        },
        "evidence": quotes(
            "Turn knob 212 by 1484 degrees, wait 212 seconds", "Warranty void if seal #5 is broken"
        ),
    },
    operation="extract_product",
)

_SHORT = good(
    "one line",
    "wifi down again, room 4B, pls fix",
    {"label": "network", "score": 0.7, "fields": {"room_number": "4B", "issue": "wifi down"}},
    operation="triage_ticket",
)

_TICKET_AGAIN = _TICKET.but(
    "again",
    earlier=(
        before(1, "billing", 0.9, order_id="88-20417"),
        before(2, "Billing", 0.88, order_id="88-20417"),
    ),
)
_PRODUCT_FACTS = _PRODUCT.but(
    "with facts",
    input={"facts": {"sku": "hh-gk-090-blk", "price": "64,50 $", "brand": "Hearth and Hollow"}},
)
_CACHED = _PRODUCT.but("cached", cached="id-0", duration_ms=3.0)

GOOD: list[Case] = [
    *(_RESUME, _CV_GERMAN, _TICKET, _CHAT, _PRODUCT, _SPANISH, _LONG, _SHORT, _TICKET_AGAIN),
    *(_PRODUCT_FACTS, _CACHED),
    _RESUME.but("labelled", labels={"name": Truth("WÓJCIK, Magdalena", True)}),
    _PRODUCT.but("a tenth more tokens", tokens=7_900),
    _TICKET.but("no text", input={"text": None, "facts": {"order_id": "#88-20417"}}),
]

BAD: list[Case] = [
    _RESUME.bad(
        "invented_value",
        "accuracy",
        "Okafor",
        how="name of another",
        fields={"name": "Ngozi Okafor"},
    ),
    _RESUME.bad(
        "invented_quote",
        "accuracy",
        result={"evidence": quotes("Published eleven papers on reinforcement learning")},
    ),
    _RESUME.bad("malformed_value", "accuracy", "email", fields={"email": "m.wojcik at poczta"}),
    _CV_GERMAN.bad(
        "invented_value",
        "accuracy",
        "1979",
        how="wrong date",
        fields={"date_of_birth": "1979-08-12"},
    ),
    _CV_GERMAN.bad(
        "altered_quote",
        "accuracy",
        "schichtassistent",
        result={"evidence": quotes("Schichtassistent in der Leitwarte")},
    ),
    _TICKET.bad("invented_value", "accuracy", "91-33310", fields={"order_id": "91-33310"}),
    _TICKET.bad(
        "altered_quote",
        "accuracy",
        "three",
        result={"evidence": quotes("I was charged three times for order #88-20417")},
    ),
    _TICKET.bad("invented_value", "accuracy", "599", how="wrong amount", fields={"amount": 599.0}),
    _CHAT.bad(
        "invented_quote",
        "accuracy",
        result={"evidence": quotes("the customer threatened to cancel the contract immediately")},
    ),
    _CHAT.bad("malformed_value", "accuracy", "{{", fields={"product_model": "{{ product.model }}"}),
    _PRODUCT.bad("invented_value", "accuracy", "Lumen", fields={"brand": "Lumen & Loft"}),
    _PRODUCT_FACTS.bad("wrong_value", "accuracy", "price", fields={"price": 89.0}),
    _PRODUCT.bad(
        "altered_quote",
        "accuracy",
        how="negation dropped",
        result={"evidence": quotes("suitable for all induction hobs, note")},
    ),
    _SPANISH.bad(
        "invented_value", "accuracy", "Alpina", fields={"product_name": "Cumbre Alpina Pro"}
    ),
    _SPANISH.bad(
        "invented_quote",
        "accuracy",
        result={"evidence": quotes("garantía de por vida en todo el mundo")},
    ),
    _LONG.bad(
        "altered_quote",
        "accuracy",
        "1491",
        result={"evidence": quotes("Turn knob 212 by 1491 degrees, wait 212 seconds")},
    ),
    _LONG.bad("invented_value", "accuracy", fields={"manufacturer": "Kraftwell Maschinenbau AG"}),
    _SHORT.bad("invented_value", "accuracy", "7C", fields={"room_number": "7C"}),
    _SHORT.bad(
        "empty_result",
        "accuracy",
        result={"label": None, "score": None},
        fields={"room_number": None, "issue": ""},
    ),
    _TICKET_AGAIN.bad("changed_label", "consistency", "shipping", result={"label": "shipping"}),
    _TICKET_AGAIN.bad("changed_score", "consistency", "0.35", result={"score": 0.35}),
    _TICKET_AGAIN.bad("lost_field", "consistency", "order_id", fields={"order_id": None}),
    _RESUME.bad("factors_contradict_score", "consistency", "raise", result={"score": 0.12}),
    _CHAT.bad("factors_contradict_score", "consistency", "reset", result={"score": 0.05}),
    _TICKET.bad(
        "confidence_contradicts_fields",
        "consistency",
        result={"field_confidence": {"order_id": 0.2, "amount": 0.35}},
    ),
    _PRODUCT.bad("evidence_contradicts_field", "consistency", "price", fields={"price": None}),
    _RESUME.bad("slow", "performance", "28.0 s", duration_ms=28_000.0),
    _CHAT.bad("slow", "performance", "9.0 s", duration_ms=9_000.0),
    _SPANISH.bad("many_attempts", "performance", "2 attempts", attempt=2),
    _PRODUCT.bad("many_tokens", "performance", "20,000", tokens=20_000),
    _TICKET.bad("retried", "reliability", "attempt 2", attempt=2),
    _RESUME.bad("fallback_used", "reliability", "small-model", fallback="small-model"),
    _CV_GERMAN.bad("errors_on_the_way", "reliability", "2 errors", errors=["bad JSON", "bad JSON"]),
    _SHORT.bad("degraded_dependency", "reliability", "vector-db", degraded=["vector-db", "cache"]),
]
