"""Settings: every mistake is said at once, in words that help, and no secret is among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from notifier.channels import messagebird, vonage
from notifier.channels.email import Email
from notifier.settings import (
    NAMES,
    SECRETS,
    SettingsError,
    SmsFallback,
    read_env_file,
    read_settings,
    settings_from_environment,
)
from notifier.wiring import SystemClock

PHONE, SECOND, TEST_PHONE = "+15555550101", "+15555550102", "+15005550006"
HEX = "0123456789abcdef0123456789abcdef"
TOKEN = "made-up-token-of-the-tests"
TWILIO = {
    "TWILIO_ACCOUNT_SID": f"AC{HEX}",
    "TWILIO_AUTH_TOKEN": HEX,
    "TWILIO_FROM": TEST_PHONE,
    "ONCALL_PHONE": PHONE,
}
FALLBACK = {"SMS_FALLBACK": "vonage", "SMS_FALLBACK_FROM": "Pager"}
VONAGE = FALLBACK | {"VONAGE_API_KEY": "abcd1234", "VONAGE_API_SECRET": "made-up-secret16"}
MESSAGEBIRD = FALLBACK | {"SMS_FALLBACK": "messagebird", "MESSAGEBIRD_ACCESS_KEY": "made-up-live-key"}
MAIL = {"SMTP_HOST": "smtp.example.com", "EMAIL_FROM": "pager@example.com", "EMAIL_TO": "oncall@example.com"}
OIDC = {"OIDC_EMAILS": "caller@example.com", "PUBLIC_URL": "https://pager.example.com"}
CLOUD_RUN = {"K_SERVICE": "notifier", "WEBHOOK_TOKEN": TOKEN}
EXAMPLE = Path(__file__).parents[1] / ".env.yaml.example"


def problems(values: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(values)
    return caught.value.problems


def all_problems(values: Mapping[str, str]) -> list[str]:
    try:
        read_settings(values)
    except SettingsError as error:
        return error.problems
    return []


REFUSED: list[tuple[dict[str, str], str, str]] = [
    # values, how the one problem begins, what it says to do
    (TWILIO | {"TWILIO_ACCOUNT_SID": "made-up-sid"}, "TWILIO_ACCOUNT_SID must", "AC in capitals and 32 hexadecimal"),
    (TWILIO | {"TWILIO_ACCOUNT_SID": f"ac{HEX}"}, "TWILIO_ACCOUNT_SID must", "AC in capitals"),
    (TWILIO | {"TWILIO_ACCOUNT_SID": f"AC{HEX}0"}, "TWILIO_ACCOUNT_SID must", "32 hexadecimal digits"),
    (TWILIO | {"TWILIO_AUTH_TOKEN": f"{HEX[:16]} {HEX[16:]}"}, "TWILIO_AUTH_TOKEN must", "without spaces"),
    (TWILIO | {"TWILIO_AUTH_TOKEN": "tökentokentoken"}, "TWILIO_AUTH_TOKEN must", "ASCII"),
    (TWILIO | {"TWILIO_AUTH_TOKEN": f"{HEX[:16]}\n{HEX[16:]}"}, "TWILIO_AUTH_TOKEN holds a line end", "as one line"),
    (TWILIO | {"TWILIO_AUTH_TOKEN_NEXT": "a b"}, "TWILIO_AUTH_TOKEN_NEXT must", "without spaces"),
    (TWILIO | {"TWILIO_API_KEY": f"sk{HEX}", "TWILIO_API_SECRET": HEX}, "TWILIO_API_KEY must", "SK in capitals"),
    (TWILIO | {"TWILIO_API_KEY": f"SK{HEX}"}, "TWILIO_API_KEY and TWILIO_API_SECRET", "both or neither"),
    (TWILIO | {"TWILIO_API_SECRET": HEX}, "TWILIO_API_KEY and TWILIO_API_SECRET", "both or neither"),
    (TWILIO | {"TWILIO_FROM": f"mg{HEX}"}, "TWILIO_FROM is neither", "MG in capitals"),
    (TWILIO | {"TWILIO_FROM": "Pager"}, "TWILIO_FROM is neither", "+60123456789"),
    (TWILIO | {"TWILIO_FROM": PHONE}, "TWILIO_FROM stands in ONCALL_PHONE", "from a number to itself"),
    (TWILIO | {"ONCALL_PHONE": "+1 (555) 555-0101"}, "ONCALL_PHONE (+1 ...) is no phone", "+60123456789"),
    (TWILIO | {"ONCALL_PHONE": "015555550101"}, "ONCALL_PHONE (015...) is no phone", "country code"),
    (TWILIO | {"ONCALL_PHONE": "+0155555501"}, "ONCALL_PHONE (+01...) is no phone", "+60123456789"),
    (TWILIO | {"ONCALL_PHONE": "+1555"}, "ONCALL_PHONE (+15...) is no phone", "+60123456789"),
    (TWILIO | {"ONCALL_PHONE": "+99955555501"}, "ONCALL_PHONE (+99...) is no phone", "+60123456789"),
    (TWILIO | {"ONCALL_PHONE": "+1555555010１"}, "ONCALL_PHONE (+15...) is no phone", "+60123456789"),
    (TWILIO | {"ONCALL_PHONE": f"{PHONE},5555550102"}, "ONCALL_PHONE number 2 (555...)", "+60123456789"),
    (TWILIO | {"ONCALL_PHONE": f"{PHONE},{PHONE}"}, "ONCALL_PHONE names a number twice", "once a round"),
    (TWILIO | {"TWILIO_API_URL": "https://api.twilio.com/2010-04-01"}, "TWILIO_API_URL must", "base without a path"),
    (TWILIO | {"TWILIO_API_URL": "https://api.twilio.com?a=b"}, "TWILIO_API_URL must", "base without a path"),
    (TWILIO | {"TWILIO_API_URL": "http://twilio.example.com"}, "TWILIO_API_URL must", "https://"),
    (TWILIO | VONAGE | {"SMS_FALLBACK": "nexmo"}, "SMS_FALLBACK must", "vonage, messagebird"),
    (TWILIO | VONAGE | {"SMS_FALLBACK_FROM": "The pager"}, "SMS_FALLBACK_FROM is neither", "no spaces"),
    (TWILIO | VONAGE | {"SMS_FALLBACK_FROM": "PagerOfShop1"}, "SMS_FALLBACK_FROM is neither", "at most 11 letters"),
    (TWILIO | VONAGE | {"SMS_FALLBACK_FROM": "5005550006"}, "SMS_FALLBACK_FROM is neither", "+60123456789"),
    (TWILIO | VONAGE | {"SMS_FALLBACK_FROM": PHONE}, "SMS_FALLBACK_FROM stands in ONCALL_PHONE", "number to itself"),
    (TWILIO | VONAGE | {"SMS_FALLBACK_URL": "https://rest.nexmo.com/sms"}, "SMS_FALLBACK_URL must", "without a path"),
    (TWILIO | VONAGE | {"SMS_FALLBACK_URL": "https://rest.nexmo.com?a=b"}, "SMS_FALLBACK_URL must", "rest.nexmo.com"),
    (TWILIO | VONAGE | {"SMS_FALLBACK_URL": "http://rest.nexmo.com"}, "SMS_FALLBACK_URL must", "https://"),
    (TWILIO | VONAGE | {"VONAGE_API_KEY": "abcd 1234"}, "VONAGE_API_KEY must", "8 letters and digits"),
    (TWILIO | VONAGE | {"VONAGE_API_SECRET": "made up"}, "VONAGE_API_SECRET must", "without spaces"),
    (TWILIO | MESSAGEBIRD | {"MESSAGEBIRD_ACCESS_KEY": "made up"}, "MESSAGEBIRD_ACCESS_KEY must", "without spaces"),
    (TWILIO | MESSAGEBIRD | {"MESSAGEBIRD_ACCESS_KEY": "test_made-up"}, "MESSAGEBIRD_ACCESS_KEY is", "a live key"),
    (VONAGE, "SMS_FALLBACK stands in for Twilio", "set up Twilio first"),
    (MESSAGEBIRD, "SMS_FALLBACK stands in for Twilio", "set up Twilio first"),
    ({"SLACK_WEBHOOK_URL": "hooks.slack.com/services/x"}, "SLACK_WEBHOOK_URL must", "https://example.com/path"),
    ({"SLACK_WEBHOOK_URL": "http://hooks.slack.com/services/x"}, "SLACK_WEBHOOK_URL must", "begin with https://"),
    ({"SLACK_WEBHOOK_URL": "ftp://127.0.0.1/x"}, "SLACK_WEBHOOK_URL must", "begin with https://"),
    ({"SLACK_WEBHOOK_URL": "https://hooks.slack.com/a b"}, "SLACK_WEBHOOK_URL must", "web address"),
    ({"SLACK_WEBHOOK_URL": "https://[::1"}, "SLACK_WEBHOOK_URL must", "web address"),
    ({"SLACK_WEBHOOK_URL": "https://example.com:99999/x"}, "SLACK_WEBHOOK_URL must", "web address"),
    ({"DISCORD_WEBHOOK_URL": "https://user:made-up@discord.com/x"}, "DISCORD_WEBHOOK_URL must", "no user name"),
    ({"DISCORD_WEBHOOK_URL": "https://discord.com/x#made-up"}, "DISCORD_WEBHOOK_URL must", "no # part"),
    ({"PUBLIC_URL": "https://pager.example.com?a=b"}, "PUBLIC_URL must have no ? part", "reached under"),
    ({"HEARTBEAT_URL": "heartbeat"}, "HEARTBEAT_URL must", "web address"),
    (MAIL | {"SMTP_HOST": "smtp.example.com:587"}, "SMTP_HOST must be a host's name alone", "SMTP_PORT"),
    (MAIL | {"SMTP_HOST": "https://smtp.example.com"}, "SMTP_HOST must be a host's name alone", "smtp.example.com"),
    (MAIL | {"SMTP_PORT": "0"}, "SMTP_PORT must", "from 1 to 65535"),
    (MAIL | {"SMTP_PORT": "submission"}, "SMTP_PORT must", "whole number"),
    (MAIL | {"SMTP_PORT": "70000"}, "SMTP_PORT must", "from 1 to 65535"),
    (MAIL | {"SMTP_SECURITY": "ssl"}, "SMTP_SECURITY must", "starttls, tls, none"),
    (MAIL | {"SMTP_USER": "pager"}, "SMTP_USER and SMTP_PASSWORD go together", "set both"),
    (MAIL | {"SMTP_PASSWORD": "made-up"}, "SMTP_USER and SMTP_PASSWORD go together", "neither"),
    (MAIL | {"SMTP_USER": "pager", "SMTP_PASSWORD": "gehéim"}, "SMTP_PASSWORD must", "ASCII"),
    (
        MAIL | {"SMTP_USER": "pager", "SMTP_PASSWORD": "made-up", "SMTP_SECURITY": "none"},
        "SMTP_SECURITY none would send SMTP_PASSWORD in clear",
        "starttls or tls",
    ),
    (MAIL | {"EMAIL_FROM": "pager"}, "EMAIL_FROM is no mail address", "Name <oncall@example.com>"),
    (MAIL | {"EMAIL_FROM": "a@example.com, b@example.com"}, "EMAIL_FROM must be one", "one mail address"),
    (MAIL | {"EMAIL_TO": "a@example.com; b@example.com"}, "EMAIL_TO is no mail address", "commas between several"),
    (MAIL | {"EMAIL_TO": "a@example.com, b"}, "EMAIL_TO address 2 of 2 is no mail address", "oncall@example.com"),
    (MAIL | {"EMAIL_TO": "\N{FIRE}@example.com"}, "EMAIL_TO is no mail address", "oncall@example.com"),
    (MAIL | {"EMAIL_TO": "a..b@example.com"}, "EMAIL_TO is no mail address", "oncall@example.com"),
    ({"WEBHOOK_TOKEN": "short"}, "WEBHOOK_TOKEN must", "secrets.token_urlsafe"),
    ({"WEBHOOK_TOKEN": "sixteen letters and spaces"}, "WEBHOOK_TOKEN must", "without spaces"),
    ({"WEBHOOK_TOKEN": f'"{TOKEN}"'}, "WEBHOOK_TOKEN stands in quotation marks", "leave them out"),
    ({"WEBHOOK_TOKEN": f"{TOKEN}\u200b{TOKEN}"}, "WEBHOOK_TOKEN holds", "copy it again"),
    ({"ADMIN_TOKEN": "short"}, "ADMIN_TOKEN must", "secrets.token_urlsafe"),
    ({"OIDC_EMAILS": "caller@example.com"}, "PUBLIC_URL is missing", "audience"),
    (OIDC | {"OIDC_EMAILS": "caller"}, "OIDC_EMAILS address 1 is no service account", "iam.gserviceaccount.com"),
    (OIDC | {"OIDC_EMAILS": "a@example.com b@example.com"}, "OIDC_EMAILS address 1", "commas between several"),
    ({"GOOGLE_CLOUD_PROJECT": "My Project"}, "GOOGLE_CLOUD_PROJECT must", "project's id"),
    ({"FIRESTORE_DATABASE": "Default"}, "FIRESTORE_DATABASE has a form", "leave it out for (default)"),
    ({"FIRESTORE_PREFIX": "team/a"}, "FIRESTORE_PREFIX has a form", "leave it out for none"),
    ({"STATE": "sqlite"}, "STATE must", "sqlite:PATH"),
    ({"STATE": "sqlite:"}, "STATE must", "sqlite:PATH"),
    ({"STATE": "postgres"}, "STATE must be firestore", "sqlite:PATH"),
    ({"SIMULATE": "yes"}, "SIMULATE must", "1 or 0"),
    ({"LEASE_SECONDS": "9"}, "LEASE_SECONDS must", "from 10 to 600"),
    ({"LEASE_SECONDS": "601"}, "LEASE_SECONDS must", "from 10 to 600"),
    ({"LEASE_SECONDS": "30.5"}, "LEASE_SECONDS must", "whole number"),
    ({"LOG_FORMAT": "xml"}, "LOG_FORMAT must", "auto, json, text"),
    ({"SMS_PRICE": "0,0083"}, "SMS_PRICE must", "0.0083"),
    ({"SMS_PRICE": "-1"}, "SMS_PRICE must", "from 0 to 10"),
    ({"SMS_PRICE": "10.01"}, "SMS_PRICE must", "from 0 to 10"),
    ({"SMS_PRICE": "nan"}, "SMS_PRICE must", "from 0 to 10"),
    (CLOUD_RUN | {"WEBHOOK_TOKEN": ""}, "WEBHOOK_TOKEN is missing", "set it before deploying"),
    (CLOUD_RUN | {"STATE": "sqlite:state.sqlite"}, "STATE must be firestore on Cloud Run", "cold start"),
]


def id_of(case: object) -> str:
    return case.split(" ")[0] if isinstance(case, str) else ""


@pytest.mark.parametrize(("values", "beginning", "advice"), REFUSED, ids=id_of)
def test_a_mistake_is_refused_with_its_name_and_what_to_do(values: dict[str, str], beginning: str, advice: str) -> None:
    (problem,) = problems(values)
    assert problem.startswith(beginning)
    assert advice in problem


@pytest.mark.parametrize(("values", "beginning"), [case[:2] for case in REFUSED], ids=id_of)
def test_a_refusal_shows_no_secret_and_no_phone_in_full(values: dict[str, str], beginning: str) -> None:
    words = "\n".join(problems(values))
    for name in (*SECRETS, "ONCALL_PHONE"):
        value = values.get(name, "")
        for part in filter(None, (value, *value.split(","))):
            assert part not in words


def test_all_mistakes_are_told_at_once() -> None:
    values = {"SIMULATE": "x", "STATE": "x", "SLACK_WEBHOOK_URL": "x", "WEBHOOK_TOKEN": "x", "ONCALL_PHONE": "x"}
    with pytest.raises(SettingsError) as caught:
        read_settings(values)
    for name in values:
        assert f"  - {name} " in str(caught.value)


@pytest.mark.parametrize("between", [";", " ", "; ", "/"], ids=repr)
def test_other_marks_than_commas_between_phones_are_refused(between: str) -> None:
    told = problems(TWILIO | {"ONCALL_PHONE": f"{PHONE}{between}{SECOND}"})
    assert "ONCALL_PHONE must have commas between its numbers" in told


@pytest.mark.parametrize("missing", [*TWILIO])
def test_half_of_twilio_is_refused_and_the_missing_half_named(missing: str) -> None:
    (problem,) = problems({name: value for name, value in TWILIO.items() if name != missing})
    assert problem.startswith(f"{missing} is missing: SMS needs TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM")


@pytest.mark.parametrize("only", [*TWILIO])
def test_a_single_twilio_setting_asks_for_the_others(only: str) -> None:
    (problem,) = problems({only: TWILIO[only]})
    assert only not in problem.split(" are missing")[0]
    assert " are missing: SMS needs " in problem


@pytest.mark.parametrize("missing", [*MAIL])
def test_half_of_the_mail_settings_is_refused_and_the_missing_half_named(missing: str) -> None:
    (problem,) = problems({name: value for name, value in MAIL.items() if name != missing})
    assert problem == f"{missing} is missing: email needs SMTP_HOST, EMAIL_FROM, EMAIL_TO together"


def test_a_mail_login_alone_asks_for_the_server() -> None:
    (problem,) = problems({"SMTP_USER": "pager", "SMTP_PASSWORD": "made-up-password"})
    assert problem.startswith("SMTP_HOST and EMAIL_FROM and EMAIL_TO are missing")


@pytest.mark.parametrize("name", [*TWILIO, *MAIL])
def test_simulated_channels_may_be_half_configured(name: str) -> None:
    read = read_settings({"SIMULATE": "1", name: (TWILIO | MAIL)[name]})
    assert read.simulate
    assert (read.twilio, read.mail) == (None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [("TWILIO_ACCOUNT_SID", "x"), ("ONCALL_PHONE", "x"), ("EMAIL_TO", "x"), ("SLACK_WEBHOOK_URL", "x")],
    ids=lambda value: value,
)
def test_simulated_channels_are_still_checked(name: str, value: str) -> None:
    (problem,) = problems({"SIMULATE": "1", name: value})
    assert problem.startswith(name)


def test_an_api_key_stands_in_for_the_auth_token() -> None:
    values = TWILIO | {"TWILIO_AUTH_TOKEN": "", "TWILIO_API_KEY": f"SK{HEX}", "TWILIO_API_SECRET": HEX}
    twilio = read_settings(values).twilio
    assert twilio is not None
    assert (twilio.auth_token, twilio.api_key, twilio.api_secret) == ("", f"SK{HEX}", HEX)


def test_nothing_set_is_a_local_run_without_channels() -> None:
    read = read_settings({})
    assert (read.twilio, read.mail, read.slack_webhook_url, read.oncall_phones) == (None, None, "", ())
    assert (read.sqlite_path, read.lease_seconds, read.log_format) == ("notifier.sqlite", 30, "auto")
    assert read.warnings == ("WEBHOOK_TOKEN is not set: anybody who reaches this port can send alerts",)


ACCEPTED = [
    ("a token's line end", {"WEBHOOK_TOKEN": f"{TOKEN}\n"}, "webhook_token", TOKEN),
    ("spaces around a token", {"WEBHOOK_TOKEN": f" {TOKEN} "}, "webhook_token", TOKEN),
    ("a token's own quotes", {"WEBHOOK_TOKEN": f"'\"{TOKEN}"}, "webhook_token", f"'\"{TOKEN}"),
    ("spaces between phones", TWILIO | {"ONCALL_PHONE": f" {PHONE} , {SECOND},"}, "oncall_phones", (PHONE, SECOND)),
    ("a slash after PUBLIC_URL", {"PUBLIC_URL": "https://pager.example.com/"}, "public_url", "https://pager.example.com"),
    ("callers in capitals", OIDC | {"OIDC_EMAILS": "Caller@Example.com"}, "oidc_emails", ("caller@example.com",)),
    ("http to this machine", {"SLACK_WEBHOOK_URL": "http://127.0.0.1:1/x"}, "slack_webhook_url", "http://127.0.0.1:1/x"),
    ("http to ::1", {"SLACK_WEBHOOK_URL": "http://[::1]:1/x"}, "slack_webhook_url", "http://[::1]:1/x"),
    ("http to localhost", {"SLACK_WEBHOOK_URL": "http://localhost/x"}, "slack_webhook_url", "http://localhost/x"),
    ("a webhook with a query", {"SLACK_WEBHOOK_URL": "https://example.com/x?a=b"}, "slack_webhook_url", "https://example.com/x?a=b"),
    ("Firestore by choice", {"STATE": "firestore"}, "sqlite_path", ""),
    ("Firestore on Cloud Run", CLOUD_RUN, "sqlite_path", ""),
    ("SQLite elsewhere", {"STATE": "sqlite:/var/lib/state.sqlite"}, "sqlite_path", "/var/lib/state.sqlite"),
    ("the database's default", {}, "firestore_database", "(default)"),
    ("a database of its own", {"FIRESTORE_DATABASE": "pager-db"}, "firestore_database", "pager-db"),
    ("SIMULATE=true", {"SIMULATE": "True"}, "simulate", True),
    ("SIMULATE=0", {"SIMULATE": "0"}, "simulate", False),
    ("LOG_FORMAT=JSON", {"LOG_FORMAT": "JSON"}, "log_format", "json"),
    ("a longer lease", {"LEASE_SECONDS": "60"}, "lease_seconds", 60),
    ("an empty K_SERVICE", {"K_SERVICE": ""}, "sqlite_path", "notifier.sqlite"),
    ("Twilio's price in the US", {}, "sms_price", 0.0083),
    ("another price", {"SMS_PRICE": "0.075"}, "sms_price", 0.075),
    ("no price", {"SMS_PRICE": "0"}, "sms_price", 0),
    ("the highest price", {"SMS_PRICE": "10"}, "sms_price", 10),
    ("no token", {}, "twilio_auth_tokens", ()),
    ("a token", TWILIO, "twilio_auth_tokens", (HEX,)),
    ("two tokens", TWILIO | {"TWILIO_AUTH_TOKEN_NEXT": HEX[::-1]}, "twilio_auth_tokens", (HEX, HEX[::-1])),
    ("a token twice", TWILIO | {"TWILIO_AUTH_TOKEN_NEXT": HEX}, "twilio_auth_tokens", (HEX,)),
    ("only the next token", {"TWILIO_AUTH_TOKEN_NEXT": HEX}, "twilio_auth_tokens", (HEX,)),
    ("no second provider", TWILIO, "fallback", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field", "expected"), [case[1:] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED]
)
def test_it_is_accepted(values: dict[str, str], field: str, expected: object) -> None:
    assert getattr(read_settings(values), field) == expected


def fallback(values: Mapping[str, str]) -> SmsFallback:
    read = read_settings({**TWILIO, **values}).fallback
    assert read is not None
    return read


def test_vonage_stands_in_with_its_key_and_secret() -> None:
    assert fallback(VONAGE) == SmsFallback(
        provider="vonage",
        api_key="abcd1234",
        api_secret="made-up-secret16",
        access_key="",
        sender="Pager",
        api_url=vonage.API_URL,
    )


def test_messagebird_stands_in_with_its_key() -> None:
    assert fallback(MESSAGEBIRD) == SmsFallback(
        provider="messagebird",
        api_key="",
        api_secret="",
        access_key="made-up-live-key",
        sender="Pager",
        api_url=messagebird.API_URL,
    )


def test_the_second_provider_may_be_changed_by_one_word() -> None:
    assert fallback(MESSAGEBIRD | VONAGE).provider == "vonage"
    assert fallback(VONAGE | MESSAGEBIRD).provider == "messagebird"


@pytest.mark.parametrize("sender", [TEST_PHONE, "Pager", "24x", "x" * 11])
def test_the_second_provider_sends_from_a_number_or_a_name(sender: str) -> None:
    assert fallback(VONAGE | {"SMS_FALLBACK_FROM": sender}).sender == sender


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://127.0.0.1:9/"])
def test_a_fake_of_the_second_provider_may_be_on_this_machine(url: str) -> None:
    assert fallback(VONAGE | {"SMS_FALLBACK_URL": url}).api_url == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("values", "missing"),
    [(values, name) for values in (VONAGE, MESSAGEBIRD) for name in values if name != "SMS_FALLBACK"],
)
def test_half_of_the_second_provider_is_refused_and_the_missing_half_named(
    values: dict[str, str], missing: str
) -> None:
    (problem,) = problems(TWILIO | values | {missing: ""})
    assert problem.startswith(f"{missing} is missing: SMS_FALLBACK={values['SMS_FALLBACK']} needs ")
    assert problem.endswith("SMS_FALLBACK_FROM together")


def test_all_that_a_second_provider_lacks_is_told_at_once() -> None:
    no_twilio, no_credentials = problems({"SMS_FALLBACK": "vonage"})
    assert no_twilio.startswith("SMS_FALLBACK stands in for Twilio")
    assert no_credentials.startswith("VONAGE_API_KEY and VONAGE_API_SECRET and SMS_FALLBACK_FROM are missing: ")


@pytest.mark.parametrize("only", [name for name in VONAGE | MESSAGEBIRD if name != "SMS_FALLBACK"])
def test_what_would_do_nothing_without_a_second_provider_is_refused(only: str) -> None:
    (problem,) = problems(TWILIO | {only: (VONAGE | MESSAGEBIRD)[only]})
    assert problem == f"SMS_FALLBACK is missing: {only} would do nothing; set it to one of vonage, messagebird"


@pytest.mark.parametrize("name", VONAGE)
def test_a_simulated_second_provider_may_be_half_configured(name: str) -> None:
    assert read_settings({"SIMULATE": "1", "SMS_FALLBACK": "vonage", name: VONAGE[name]}).fallback is None


def test_a_simulated_second_provider_needs_no_twilio() -> None:
    assert read_settings(VONAGE | {"SIMULATE": "1"}).fallback is not None


@pytest.mark.parametrize("sender", [f"MG{HEX}", TEST_PHONE])
def test_a_service_and_a_number_can_send(sender: str) -> None:
    twilio = read_settings(TWILIO | {"TWILIO_FROM": sender}).twilio
    assert twilio is not None
    assert twilio.sender == sender


def test_twilios_base_address_may_end_in_a_slash() -> None:
    twilio = read_settings(TWILIO | {"TWILIO_API_URL": "http://127.0.0.1:9/"}).twilio
    assert twilio is not None
    assert twilio.api_url == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("security", "port"), [("", 587), ("starttls", 587), ("tls", 465), ("none", 25)], ids=lambda value: f"{value}"
)
def test_the_mail_port_follows_from_the_security(security: str, port: int) -> None:
    mail = read_settings(MAIL | {"SMTP_SECURITY": security}).mail
    assert mail is not None
    assert mail.port == port


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_login_in_clear_is_allowed_to_this_machine(host: str) -> None:
    login = {"SMTP_HOST": host, "SMTP_USER": "pager", "SMTP_PASSWORD": "made up", "SMTP_SECURITY": "none"}
    assert read_settings(MAIL | login).mail


MAIL_ADDRESSES = [
    ("oncall@example.com", ("oncall@example.com",)),
    ("<oncall@example.com>", ("<oncall@example.com>",)),
    ("On Call <oncall@example.com>", ("On Call <oncall@example.com>",)),
    ("a@example.com ,b+pager@example.com,", ("a@example.com", "b+pager@example.com")),
    ('"Doe, Jo" <jo@example.com>, a@example.com', ('"Doe, Jo" <jo@example.com>', "a@example.com")),
    ("Zoë O'Neil <zoe@example.com>", ("Zoë O'Neil <zoe@example.com>",)),
    ("root@localhost", ("root@localhost",)),
]


@pytest.mark.parametrize(("written", "recipients"), MAIL_ADDRESSES, ids=[case[0] for case in MAIL_ADDRESSES])
def test_recipients_may_have_names(written: str, recipients: tuple[str, ...]) -> None:
    mail = read_settings(MAIL | {"EMAIL_TO": written, "EMAIL_FROM": "Pager <pager@example.com>"}).mail
    assert mail is not None
    assert (mail.recipients, mail.sender) == (recipients, "Pager <pager@example.com>")


@given(
    st.one_of(
        st.text(max_size=40),
        st.text(alphabet=" ,.<>@\"'=?aZ-é()", max_size=20).map(lambda name: f"{name}<a@example.com>"),
        st.text(alphabet="a.-_'+@\"", min_size=1, max_size=12).map(lambda user: f"{user}@example.com"),
        st.emails(),
    )
)
@example("=?utf-8?q?x=0d=0aBcc:_b@example.com?= <a@example.com>")
@example("-@-")
def test_what_settings_take_as_an_address_the_email_channel_takes(written: str) -> None:
    try:
        mail = read_settings(MAIL | {"EMAIL_TO": written}).mail
    except SettingsError:
        return
    assert mail is not None
    Email(host=mail.host, port=mail.port, sender=mail.sender, recipients=mail.recipients, clock=SystemClock())


@given(st.dictionaries(st.sampled_from([*NAMES, "K_SERVICE", "OTHER"]), st.text(), max_size=len(NAMES)))
def test_no_text_raises_anything_but_a_settings_error(values: dict[str, str]) -> None:
    assert all(problem.split()[0] in NAMES for problem in all_problems(values))


likely = st.sampled_from(
    [
        *(value for some in (TWILIO, MAIL, OIDC, VONAGE, MESSAGEBIRD) for value in some.values()),
        *(TOKEN, "1", "tls", "sqlite:x", f"SK{HEX}", "none", "json", "0.1"),
    ]
)


@given(st.dictionaries(st.sampled_from([*NAMES, "K_SERVICE"]), likely))
def test_no_mixture_of_good_values_raises_anything_but_a_settings_error(values: dict[str, str]) -> None:
    told = all_problems(values)
    assert len(told) == len(set(told))


def test_the_admin_token_is_what_the_status_page_is_seen_with() -> None:
    read = read_settings({"ADMIN_TOKEN": TOKEN, "WEBHOOK_TOKEN": "another-token-of-no-worth"})
    assert (read.admin_token, read.warnings) == (TOKEN, ())


def test_one_token_for_both_is_warned_of() -> None:
    (words,) = read_settings({"ADMIN_TOKEN": TOKEN, "WEBHOOK_TOKEN": TOKEN}).warnings
    assert words.startswith("ADMIN_TOKEN is WEBHOOK_TOKEN: whoever sends alerts sees the status page")
    assert TOKEN not in words


def test_the_heartbeat_has_an_address() -> None:
    read = read_settings({"HEARTBEAT_URL": "https://hc.example.net/beat", "WEBHOOK_TOKEN": TOKEN})
    assert (read.heartbeat_url, read.warnings) == ("https://hc.example.net/beat", ())


OWN = {
    "WEBHOOK_TOKEN": TOKEN,
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/made-up",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "made-up-auth-token",
    "TWILIO_FROM": "+15005550008",
    "ONCALL_PHONE": "+15555550111",
    "SMTP_HOST": "smtp.example.net",
    "EMAIL_FROM": "Pager <pager@example.net>",
    "EMAIL_TO": "Ana <ana@myexample.com>, ana@example.com.example.net",
}
EXAMPLES = {
    "ONCALL_PHONE": ("+15555550111, +15555550102", "...0102 is nobody's"),
    "TWILIO_FROM": ("+15005550006", "...0006 is Twilio's number for tests; no text reaches anybody from it"),
    "SLACK_WEBHOOK_URL": ("https://hooks.slack.com/services/...", "where it says ... something of yours belongs"),
    "TWILIO_AUTH_TOKEN": ("...", "where it says ... something of yours belongs"),
    "SMTP_HOST": ("smtp.Example.com", "nobody is reached at example.com, or under .invalid"),
    "EMAIL_FROM": ("Pager <pager@example.com>", "nobody is reached at example.com, or under .invalid"),
    "EMAIL_TO": ("a@example.com,b@example.net", "nobody is reached at example.com, or under .invalid"),
    "DISCORD_WEBHOOK_URL": ("https://a.b.invalid:8443/x", "nobody is reached at example.com, or under .invalid"),
    "PUBLIC_URL": ("https://pager.example.com", "nobody is reached at example.com, or under .invalid"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_that_was_left_is_warned_of_by_name(name: str) -> None:
    value, why = EXAMPLES[name]
    assert read_settings(OWN | {name: value}).warnings == (f"{name} still holds an example: {why}",)


def test_the_two_phones_of_the_example_are_both_named() -> None:
    read = read_settings(OWN | {"ONCALL_PHONE": "+15555550101,+15555550102"})
    assert read.warnings == ("ONCALL_PHONE still holds an example: ...0101 and ...0102 are nobody's",)


def test_of_values_of_ones_own_and_in_a_simulation_nothing_is_warned() -> None:
    assert read_settings(OWN).warnings == ()
    examples = {name: value for name, (value, _) in EXAMPLES.items()}
    assert read_settings(OWN | examples | {"SIMULATE": "1"}).warnings == ()


def test_every_value_that_the_shipped_example_leaves_to_a_person_is_refused_or_warned_of() -> None:
    written = read_env_file(EXAMPLE)
    kept = {name: value for name, value in written.items() if value and "XXXXXX" not in value}
    assert set(kept) == {"TWILIO_FROM", "ONCALL_PHONE", "SMTP_HOST", "EMAIL_FROM", "EMAIL_TO"}
    warned = {warning.split()[0] for warning in read_settings(OWN | kept).warnings}
    assert warned == set(kept)


def test_a_simulation_on_cloud_run_is_warned_of() -> None:
    read = read_settings(CLOUD_RUN | {"SIMULATE": "1"})
    assert read.warnings == ("SIMULATE is set: nothing is sent, and nobody will be paged",)


# The file of a local run


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an env file would be, in an environment without settings."""
    for name in (*NAMES, "K_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / ".env.yaml"


def test_a_local_run_reads_the_file_under_the_environment(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text(f'WEBHOOK_TOKEN: "{TOKEN}"\nLEASE_SECONDS: "20"\n')
    monkeypatch.setenv("LEASE_SECONDS", "40")
    read = settings_from_environment(env_file)
    assert (read.webhook_token, read.lease_seconds) == (TOKEN, 40)


def test_cloud_run_reads_no_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("not: [a setting")
    monkeypatch.setenv("K_SERVICE", "notifier")
    monkeypatch.setenv("WEBHOOK_TOKEN", TOKEN)
    assert settings_from_environment(env_file).lease_seconds == 30


def test_a_run_without_a_file_reads_the_environment(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_TOKEN", TOKEN)
    assert settings_from_environment(env_file).webhook_token == TOKEN


@pytest.mark.parametrize("content", ["", "# only a comment\n", "---\n"], ids=["empty", "comment", "dashes"])
def test_an_empty_file_sets_nothing(env_file: Path, content: str) -> None:
    env_file.write_text(content)
    assert read_env_file(env_file) == {}


def test_values_need_no_quotation_marks(env_file: Path) -> None:
    env_file.write_text(f"ONCALL_PHONE: {PHONE}\nSIMULATE: 1\nSMTP_PORT: 0587\nSMTP_USER:\n")
    assert read_env_file(env_file) == {
        "ONCALL_PHONE": PHONE,
        "SIMULATE": "1",
        "SMTP_PORT": "0587",
        "SMTP_USER": "",
    }


AS_TEXT = "must be one text, as in "
SEE_ALL = "no setting of notifier; see .env.yaml.example for all of them"
NO_YAML = "write each setting as NAME: "
NO_SETTINGS = [
    ("a list as value", "ONCALL_PHONE:\n  - x\n", f'line 1: ONCALL_PHONE {AS_TEXT}ONCALL_PHONE: "value"'),
    ("a mapping as value", "STATE: {a: b}", f'line 1: STATE {AS_TEXT}STATE: "value"'),
    ("a misspelled name", "\nTWILIO_ACOUNT_SID: x", "no setting of notifier; did you mean TWILIO_ACCOUNT_SID?"),
    ("a name in small letters", "webhook_token: x", "no setting of notifier; did you mean WEBHOOK_TOKEN?"),
    ("an unknown name", "\nCOLOUR: x", f"line 2: COLOUR is {SEE_ALL}"),
    ("a value in a name's place", f"? {HEX}\n: x", f"line 1: that is {SEE_ALL}"),
    ("a list as name", "? [a, b]\n: x", f"line 1: that is {SEE_ALL}"),
    ("a name twice", "STATE: a\nSTATE: b", "line 2: STATE stands there twice; leave one"),
    ("no YAML", "STATE: x\nSLACK_WEBHOOK_URL: 'x\n", f'is not YAML at line 3: {NO_YAML}"value"'),
    ("not closed", "[" * 1_000, f'is not YAML: {NO_YAML}"value"'),
    ("a control character", 'STATE: "a\x00b"', f'is not YAML: {NO_YAML}"value"'),
    ("two documents", "STATE: a\n---\nSTATE: b", f'is not YAML at line 2: {NO_YAML}"value"'),
    ("a list", "- STATE\n", f'.env.yaml: {NO_YAML}"value", one a line'),
    ("shell's form", "STATE=firestore\n", f'.env.yaml: {NO_YAML}"value", one a line'),
]


@pytest.mark.parametrize(("_", "content", "words"), NO_SETTINGS, ids=[case[0] for case in NO_SETTINGS])
def test_a_file_that_is_no_settings_is_refused(env_file: Path, _: str, content: str, words: str) -> None:
    env_file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        read_env_file(env_file)
    (problem,) = caught.value.problems
    assert problem.startswith(".env.yaml")
    assert problem.endswith(words)


def test_all_mistakes_of_a_file_are_told_at_once(env_file: Path) -> None:
    env_file.write_text("STATE: [a]\nCOLOUR: x\nSTATES: y\n")
    with pytest.raises(SettingsError) as caught:
        read_env_file(env_file)
    assert len(caught.value.problems) == 3


def test_a_file_that_is_no_text_is_refused(env_file: Path) -> None:
    env_file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"\.env\.yaml cannot be read: UnicodeDecodeError"):
        read_env_file(env_file)


def test_reading_a_file_without_pyyaml_says_what_to_install(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("STATE: firestore\n")
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(SettingsError, match="pip install pyyaml"):
        read_env_file(env_file)


# The sample


def uncommented(text: str) -> str:
    """The sample with its optional settings switched on."""
    return re.sub(r"(?m)^# ?([A-Z_]+:)", r"\1", text)


def test_the_sample_names_every_setting_once() -> None:
    names = re.findall(r"(?m)^(?:# ?)?([A-Z][A-Z_]+):", EXAMPLE.read_text("utf-8"))
    assert sorted(names) == sorted(NAMES)


def test_the_sample_is_a_settings_file_with_words_on_every_setting() -> None:
    lines = uncommented(EXAMPLE.read_text("utf-8")).splitlines()
    for before, line in pairwise(lines):
        if re.match("[A-Z]", line):
            assert before.startswith("# "), f"nothing says what {line.split(':')[0]} is"


def test_nobody_can_deploy_the_sample_as_it_is(tmp_path: Path) -> None:
    values = read_env_file(EXAMPLE)
    assert values["WEBHOOK_TOKEN"] == ""
    told = problems(values | {"K_SERVICE": "notifier"})
    assert any(problem.startswith("WEBHOOK_TOKEN is missing") for problem in told)


def test_a_placeholder_of_the_sample_is_refused() -> None:
    values = read_env_file(EXAMPLE)
    (problem,) = problems({"SLACK_WEBHOOK_URL": values["SLACK_WEBHOOK_URL"]})
    assert problem.startswith("SLACK_WEBHOOK_URL still holds the placeholder of .env.yaml.example; fill it in")


def test_the_sample_filled_in_passes(tmp_path: Path) -> None:
    file = tmp_path / ".env.yaml"
    file.write_text(uncommented(EXAMPLE.read_text("utf-8")), "utf-8")
    filled_in = {
        "WEBHOOK_TOKEN": TOKEN,
        "ADMIN_TOKEN": TOKEN,
        **TWILIO,
        "TWILIO_AUTH_TOKEN_NEXT": HEX,
        "TWILIO_API_KEY": f"SK{HEX}",
        "TWILIO_API_SECRET": HEX,
        **VONAGE,
        "MESSAGEBIRD_ACCESS_KEY": "made-up-live-key",
        "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/made-up",
        "DISCORD_WEBHOOK_URL": "https://discord.com/api/webhooks/1/made-up",
        "SMTP_PASSWORD": "made-up-password",
    }
    read = read_settings(read_env_file(file) | filled_in | {"K_SERVICE": "notifier"})
    assert (read.twilio is None, read.fallback is None, read.mail is None) == (False, False, False)
    assert read.slack_webhook_url


def test_the_sample_holds_no_secret() -> None:
    values = yaml.safe_load(uncommented(EXAMPLE.read_text("utf-8")))
    for name in SECRETS:
        assert values[name] == "" or re.search("X{6}|0{6}", values[name]), name
