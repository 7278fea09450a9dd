"""No password and no token of a URL is left in what is written, wherever the URL stands."""

import string
import time
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.runtime.masking import MASK, masked, masked_urls, masked_value
from agents.runtime.settings import Settings, mistakes

SCHEMES = st.sampled_from(
    ["http", "https", "postgresql", "postgres", "kafka", "redis", "amqp+ssl", "socks5h", "SMTP"]
)
#: What a user or password may be made of where it stands in a URL.
IN_USERINFO = string.ascii_letters + string.digits + "-._~!$&'()*+,;=:%"
SECRET = st.text(IN_USERINFO, min_size=6, max_size=40)
ODD_SECRET = st.text(IN_USERINFO + "/?#", min_size=6, max_size=40)
USER = st.text(string.ascii_letters + string.digits + "-._", min_size=1, max_size=12)
HOST = st.sampled_from(["db.example.com", "127.0.0.1:5432", "[::1]:9092", "localhost", "a-b.c:1"])
AROUND = st.sampled_from(
    [
        "{}", "cannot reach {}: refused", "url={}", '{{"url":"{}","by":"ann"}}', "['{}']", "<{}>",
        "a@b {} c@d", "see https://example.com/@me and {}", "({})", "{}\n{}", "x" * 300 + " {}",
    ]
)  # fmt: skip
NAMES = st.sampled_from(
    [
        "token", "access_token", "api_key", "apikey", "key", "sig", "signature", "password", "auth",
        "client_secret", "X-Amz-Signature", "code", "sessionid", "PASSWORD", "credentials",
    ]
)  # fmt: skip


def _absent(secret: str, text: str, around: str) -> None:
    assume(secret not in around and not set(secret) <= set("*"))
    assert secret not in text


@given(scheme=SCHEMES, user=USER, secret=SECRET, host=HOST, around=AROUND)
def test_no_password_is_left(scheme: str, user: str, secret: str, host: str, around: str) -> None:
    url = f"{scheme}://{user}:{secret}@{host}/db?a=b"
    for mask in (masked, masked_urls):
        shown = mask(around.format(url, url))
        _absent(
            secret, shown.replace(MASK, "*"), around.replace("{}", f"{scheme}{user}{host}/db?a=b")
        )
        assert MASK in shown
        assert host in shown


@given(scheme=SCHEMES, secret=SECRET, host=HOST, around=AROUND)
def test_no_user_that_is_a_token_is_left(scheme: str, secret: str, host: str, around: str) -> None:
    assume(":" not in secret)
    shown = masked_urls(around.format(f"{scheme}://{secret}@{host}", ""))
    _absent(secret, shown, around + scheme + host)


@given(scheme=SCHEMES, user=USER, secret=ODD_SECRET, host=HOST)
def test_no_password_with_a_slash_is_left(scheme: str, user: str, secret: str, host: str) -> None:
    assume(not secret[0].isdigit())  # that is a port
    url = f"{scheme}://{user}:{secret}@{host}/db"
    _absent(secret, masked_urls(url), f"{scheme}://{user}:{MASK}@{host}/db")


@given(user=USER, secret=SECRET, host=HOST)
def test_no_password_without_a_scheme_is_left_in_a_setting(
    user: str, secret: str, host: str
) -> None:
    for value in (f"{user}:{secret}@{host}", f"a:1,{user}:{secret}@{host}"):
        for shown in (masked_value(value), masked_value(repr(value))):
            _absent(secret, shown, f"a:1,{user}:@{host}")
    path = str(Path(f"https://{user}:{secret}@{host}/rules.yaml"))
    _absent(secret, masked_urls(path), f"https:/{user}:@{host}/rules.yaml")


@given(secret=SECRET, name=NAMES, before=st.sampled_from(["?", "?a=b&", "#", ";"]), around=AROUND)
def test_no_token_of_a_query_is_left(secret: str, name: str, before: str, around: str) -> None:
    quoted = urllib.parse.quote(secret, safe="!$'()*,:")
    url = f"https://example.com/hook{before}{name}={quoted}&from=monday"
    shown = masked_urls(around.format(url, url))
    _absent(quoted, shown, around + url.replace(quoted, ""))
    assert "from=monday" in shown


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T0/B0/abcdefghijklmnop",
        "https://hooks.slack-gov.com/workflows/abcdefghijklmnop",
        "https://discord.com/api/webhooks/1/abcdefghijklmnop",
        "https://acme.webhook.office.com/webhookb2/abcdefghijklmnop",
        "https://prod-1.westeurope.logic.azure.com:443/workflows/x?sig=abcdefghijklmnop",
        "https://d1.e2.environment.api.powerplatform.com:443/x/abcdefghijklmnop",
        "https://api.telegram.org/botabcdefghijklmnop/sendMessage",
    ],
)
def test_no_webhook_whose_address_is_the_secret_is_left(url: str) -> None:
    for text in (url, f"posting to {url}: 404", f"['{url}']"):
        assert "abcdefghijklmnop" not in masked_urls(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/@me", "http://localhost:8080/a@b", "kafka:9092", "a@example.com",
        "see https://wiki.example.com/runbooks?from=now-6h&to=now, or ask bob@example.com",
        "::1", "postgresql://127.0.0.1:5432/db", "secret_env: 'x' is no name", "10:5: rules[0] a",
        '{"a":"https://x.example:1/","b":"c@d"}',
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked_urls(text) == text


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a.",
        "://",
        "a://b:c/",
        "?",
        "&key",
        "password",
        "@",
        ":",
        "x=",
        "a://",
        "?a",
        "hooks.slack.com",
    ],
)
def test_masking_takes_time_in_proportion_to_the_text(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    began = time.process_time()
    masked(text)
    assert time.process_time() - began < 2


@settings(deadline=None)
@given(
    user=USER,
    secret=SECRET,
    field=st.sampled_from(
        [
            "kafka_bootstrap",
            "public_url",
            "log_level",
            "allow_addresses",
            "vendor_hosts",
            "channel_variables",
            "partitions",
        ]
    ),
)
def test_no_wrong_setting_shows_the_password_of_a_url(user: str, secret: str, field: str) -> None:
    url = f"https://{user}:{secret}@host.example"
    try:
        Settings(**{field: url})  # type: ignore[arg-type]
    except ValidationError as error:
        _absent(secret, "\n".join(mistakes(error)), f"OPWATCH_{field} https://{user}:@host.example")
