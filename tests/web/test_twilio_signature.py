"""X-Twilio-Signature: what Twilio signs is let in, and nothing that is a letter beside it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from notifier.auth import Forged, TwilioSignatures, twilio_signature
from tests.builders import ROOT

VECTORS = ROOT.parent / "shared" / "vectors" / "signature.json"
TOKEN = "not-a-real-auth-token"
NEXT_TOKEN = "not-the-next-one-either"
PUBLIC_URL = "https://pager.example.com"
FIELDS = (
    ("ToCountry", "US"),
    ("MessageSid", "SM" + "0" * 32),
    ("AccountSid", "AC" + "a" * 32),
    ("From", "+15555550101"),
    ("Body", "  ack 1 \n"),
    ("FromCity", ""),
)
Fields = Sequence[tuple[str, str]]


def official(url: str, fields: Fields, token: str = TOKEN) -> str:
    """The signature by Twilio's own library."""
    return str(RequestValidator(token).compute_signature(url, MultiDict(fields)))


def signatures(*tokens: str, public_url: str = PUBLIC_URL) -> TwilioSignatures:
    return TwilioSignatures(auth_tokens=tokens or (TOKEN,), public_url=public_url)


def is_let_in(
    checked: TwilioSignatures,
    signature: str | None,
    *,
    path: str = "/twilio/sms",
    query: str = "",
    fields: Fields = FIELDS,
    body: bytes | None = None,
) -> bool:
    try:
        checked.check(path, query, fields, signature, body=body)
    except Forged:
        return False
    return True


@pytest.mark.skipif(not VECTORS.exists(), reason="the vectors are here only where the project is developed")
def test_every_vector_is_answered_as_it_should_be() -> None:
    vectors = json.loads(VECTORS.read_text("utf-8"))
    assert len(vectors) > 30
    answers, expected = {}, {}
    for vector in vectors:
        parts = urlsplit(vector["url"])
        answers[vector["id"]] = is_let_in(
            signatures(vector["token"], public_url=f"{parts.scheme}://{parts.netloc}"),
            vector["signature"],
            path=parts.path,
            query=parts.query,
            fields=[(name, value) for name, value in vector.get("params", [])],
            body=vector["body"].encode() if "body" in vector else None,
        )
        # One library also takes a query that is encoded in another way; Twilio signs what it requests.
        expected[vector["id"]] = vector["valid"] and vector["tolerance"] != "legacy_query"
    assert answers == expected


def test_a_signature_worked_out_by_hand_is_let_in() -> None:
    # printf '%s' 'https://pager.example.com/twilio/status?delivery=a.1.1.bBCc2b1' | openssl dgst -sha1 -hmac TOKEN
    # -binary | base64: the fields are "b" = 1, "Cc" = 2 and an empty "B", in the order of their bytes.
    by_hand = "oVTSexTmO4eLphlSCmSmzJ4JbPE="
    fields = [("b", "1"), ("Cc", "2"), ("B", "")]
    assert is_let_in(signatures(), by_hand, path="/twilio/status", query="delivery=a.1.1.b", fields=fields)


class Request(NamedTuple):
    """One as Twilio may make it."""

    signed_url: str
    public_url: str = PUBLIC_URL
    query: str = ""
    fields: Fields = FIELDS


SMS = "/twilio/sms"
TRUE = {
    "as it is": Request(f"{PUBLIC_URL}{SMS}"),
    "no fields, as with GET": Request(f"{PUBLIC_URL}{SMS}?Body=ack+1", query="Body=ack+1", fields=()),
    "a query byte for byte": Request(f"{PUBLIC_URL}{SMS}?b=a%20b+c&a='x'&&e=", query="b=a%20b+c&a='x'&&e="),
    "an address with a path": Request(f"{PUBLIC_URL}/alert{SMS}", public_url=f"{PUBLIC_URL}/alert"),
    "signed with the usual port": Request(f"https://pager.example.com:443{SMS}"),
    "signed without the usual port": Request(f"{PUBLIC_URL}{SMS}", public_url=f"{PUBLIC_URL}:443"),
    "signed with the usual port of http": Request(f"http://127.0.0.1:80{SMS}", public_url="http://127.0.0.1"),
    "signed with its own port": Request(f"{PUBLIC_URL}:8443{SMS}", public_url=f"{PUBLIC_URL}:8443"),
    "signed without its own port": Request(f"{PUBLIC_URL}{SMS}", public_url=f"{PUBLIC_URL}:8443"),
    "in another alphabet": Request(f"{PUBLIC_URL}{SMS}", fields=[("Body", "ack 👍 & café = 100% + 你好")]),
    "a field of a kind we do not know": Request(f"{PUBLIC_URL}{SMS}", fields=[*FIELDS, ("NewThing", "x")]),
    "names that begin alike": Request(f"{PUBLIC_URL}{SMS}", fields=[("SidAccount", "1"), ("Sid", "2")]),
    "names in capitals and not": Request(f"{PUBLIC_URL}{SMS}", fields=[("body", "1"), ("Body", "2"), ("_", "3")]),
    "a name with several values": Request(f"{PUBLIC_URL}{SMS}", fields=[("A", "2"), ("A", "1"), ("A", "2")]),
}


@pytest.mark.parametrize("request_", TRUE.values(), ids=TRUE.keys())
def test_what_twilios_library_signs_is_let_in(request_: Request) -> None:
    checked = signatures(public_url=request_.public_url)
    signature = official(request_.signed_url, request_.fields)
    assert is_let_in(checked, signature, query=request_.query, fields=request_.fields)


FALSE = {
    "another host": Request(f"https://other.example.com{SMS}"),
    "another scheme": Request(f"http://pager.example.com{SMS}"),
    "another path": Request(f"{PUBLIC_URL}/twilio/status"),
    "a slash at the end": Request(f"{PUBLIC_URL}{SMS}/"),
    "its path left out": Request(f"{PUBLIC_URL}{SMS}", public_url=f"{PUBLIC_URL}/alert"),
    "the fragment signed": Request(f"{PUBLIC_URL}{SMS}#rc=5&rp=all"),
    "another query": Request(f"{PUBLIC_URL}{SMS}?a=1", query="a=2"),
    "no query": Request(f"{PUBLIC_URL}{SMS}", query="a=1"),
    "a query in another order": Request(f"{PUBLIC_URL}{SMS}?a=1&b=2", query="b=2&a=1"),
    "a query encoded in another way": Request(f"{PUBLIC_URL}{SMS}?a=%27", query="a='"),
    "another port": Request(f"{PUBLIC_URL}:8443{SMS}"),
    "the usual port of the other scheme": Request(f"{PUBLIC_URL}:80{SMS}"),
    "the usual port in place of another": Request(f"{PUBLIC_URL}:443{SMS}", public_url=f"{PUBLIC_URL}:8443"),
}


@pytest.mark.parametrize("request_", FALSE.values(), ids=FALSE.keys())
def test_what_is_signed_for_another_address_is_refused(request_: Request) -> None:
    checked = signatures(public_url=request_.public_url)
    signature = official(request_.signed_url, request_.fields)
    assert not is_let_in(checked, signature, query=request_.query, fields=request_.fields)


OTHER_FIELDS: dict[str, Fields] = {
    "trimmed": [(name, value.strip()) for name, value in FIELDS],
    "without the empty one": [field for field in FIELDS if field[1]],
    "with one more": [*FIELDS, ("ErrorCode", "")],
    "with one changed": [(name, value.replace("ack", "Ack")) for name, value in FIELDS],
    "none": [],
}


@pytest.mark.parametrize("fields", OTHER_FIELDS.values(), ids=OTHER_FIELDS.keys())
def test_other_fields_than_those_signed_are_refused(fields: Fields) -> None:
    assert not is_let_in(signatures(), official(PUBLIC_URL + SMS, FIELDS), fields=fields)


@pytest.mark.parametrize("token", [TOKEN, NEXT_TOKEN])
def test_while_the_token_is_changed_both_are_good(token: str) -> None:
    assert is_let_in(signatures(TOKEN, NEXT_TOKEN), official(PUBLIC_URL + SMS, FIELDS, token))


@pytest.mark.parametrize("token", [TOKEN.upper(), TOKEN[:-1], "another", ""])
def test_another_token_is_not(token: str) -> None:
    assert not is_let_in(signatures(TOKEN, ""), official(PUBLIC_URL + SMS, FIELDS, token))


@pytest.mark.parametrize(
    "checked",
    [
        TwilioSignatures(auth_tokens=(), public_url=PUBLIC_URL),
        TwilioSignatures(auth_tokens=("", ""), public_url=PUBLIC_URL),
        TwilioSignatures(auth_tokens=(TOKEN,), public_url=""),
    ],
    ids=["no token", "empty tokens", "no address"],
)
class TestNotUsable:
    def test_it_says_so(self, checked: TwilioSignatures) -> None:
        assert not checked.usable

    def test_there_is_no_address_for_twilio(self, checked: TwilioSignatures) -> None:
        assert checked.url(SMS) == ""

    def test_a_refusal_says_what_is_missing(self, checked: TwilioSignatures) -> None:
        with pytest.raises(Forged, match="without TWILIO_AUTH_TOKEN and PUBLIC_URL"):
            checked.check(SMS, "", FIELDS, official(PUBLIC_URL + SMS, FIELDS))

    @pytest.mark.parametrize("token", [TOKEN, ""])
    @pytest.mark.parametrize("public_url", [PUBLIC_URL, ""])
    def test_nobody_is_let_in(self, checked: TwilioSignatures, token: str, public_url: str) -> None:
        assert not is_let_in(checked, official(public_url + SMS, FIELDS, token))


def test_the_next_token_alone_is_usable() -> None:
    assert signatures("", NEXT_TOKEN).usable


@pytest.mark.parametrize("public_url", [PUBLIC_URL, f"{PUBLIC_URL}:8443/alert"])
def test_the_address_for_twilio_is_the_public_one_as_it_is(public_url: str) -> None:
    assert signatures(public_url=public_url).url(SMS, "a=1") == f"{public_url}{SMS}?a=1"


@pytest.mark.parametrize(
    "signature", [None, "", "fake", "é", "\ud800", official(PUBLIC_URL + SMS, FIELDS) + "=", "=" * 100_000]
)
def test_a_missing_or_made_up_signature_is_403(signature: str | None) -> None:
    with pytest.raises(Forged) as caught:
        signatures().check(SMS, "", FIELDS, signature)
    assert caught.value.status == 403


@pytest.mark.parametrize("signature", [None, ""])
def test_who_shows_no_signature_is_told_to(signature: str | None) -> None:
    with pytest.raises(Forged, match="expected an X-Twilio-Signature"):
        signatures().check(SMS, "", FIELDS, signature)


def test_whose_signature_is_false_is_told_which_settings_make_it_so() -> None:
    with pytest.raises(Forged, match=r"not true: TWILIO_AUTH_TOKEN .* and PUBLIC_URL"):
        signatures().check(SMS, "", FIELDS, official(PUBLIC_URL + SMS, FIELDS, NEXT_TOKEN))


@pytest.mark.parametrize("checked", [signatures(), signatures("")], ids=["usable", "not usable"])
def test_a_refusal_shows_nothing_of_what_was_presented(checked: TwilioSignatures) -> None:
    presented = [SMS, "secret=of-somebody", "presented-signature", *(value for _, value in FIELDS if value.strip())]
    with pytest.raises(Forged) as caught:
        checked.check(SMS, "secret=of-somebody", FIELDS, "presented-signature")
    assert not [part for part in [*presented, TOKEN] if part in f"{caught.value!r} {caught.value.words}"]


@pytest.mark.parametrize("true", [True, False])
def test_every_candidate_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, *, true: bool) -> None:
    compared = 0
    digest = hmac.compare_digest

    def compare(a: bytes, b: bytes) -> bool:
        nonlocal compared
        compared += 1
        return digest(a, b)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    is_let_in(signatures(TOKEN, NEXT_TOKEN), official(PUBLIC_URL + SMS, FIELDS) if true else "fake")
    assert compared == 4


JSON = b'{"a": 1, "b": "\\u00e9"}'
HASH = hashlib.sha256(JSON).hexdigest()


@pytest.mark.parametrize(
    ("body", "query", "let_in"),
    [
        (JSON, f"bodySHA256={HASH}", True),
        (JSON, f"a=1&bodySHA256={HASH}&b=2", True),
        (JSON.replace(b" ", b""), f"bodySHA256={HASH}", False),
        (b"", f"bodySHA256={HASH}", False),
        (JSON, f"bodySHA256={HASH[:-1]}", False),
        (JSON, "bodySHA256=é", False),
        (JSON, "bodySHA256=", False),
        (JSON, "", False),
    ],
)
def test_a_body_that_is_no_form_must_have_the_hash_that_is_signed(body: bytes, query: str, *, let_in: bool) -> None:
    signature = official(f"{PUBLIC_URL}{SMS}?{query}" if query else f"{PUBLIC_URL}{SMS}", ())
    assert is_let_in(signatures(), signature, query=query, fields=(), body=body) is let_in


# Anything

URL_LETTERS = "abcXYZ019-._~%/&=+'!$*,;:@?"
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
some_fields = st.dictionaries(st.text("abcABC_.", min_size=1, max_size=4), words)


@given(st.text(URL_LETTERS), st.lists(st.tuples(words | st.sampled_from("ab"), words)))
def test_any_request_that_twilios_library_signs_is_let_in(query: str, fields: Fields) -> None:
    url = f"{PUBLIC_URL}{SMS}?{query}" if query else f"{PUBLIC_URL}{SMS}"
    assert is_let_in(signatures(), official(url, fields), query=query, fields=fields)


@given(st.data(), st.text(URL_LETTERS.replace("?", ""), min_size=1), st.text(URL_LETTERS, min_size=1), some_fields)
def test_a_url_with_any_one_letter_changed_is_refused(
    data: st.DataObject, path: str, query: str, fields: dict[str, str]
) -> None:
    signature = official(f"{PUBLIC_URL}/{path}?{query}", list(fields.items()))
    changed = changed_in_one_letter(data, f"/{path}?{query}", URL_LETTERS)
    path, _, query = changed.partition("?")
    assert not is_let_in(signatures(), signature, path=path, query=query, fields=list(fields.items()))


@given(st.data(), some_fields.filter(bool))
def test_a_field_with_any_one_letter_changed_is_refused(data: st.DataObject, fields: dict[str, str]) -> None:
    given = list(fields.items())
    place = data.draw(st.integers(0, len(given) - 1))
    name, value = given[place]
    both = changed_in_one_letter(data, name + value, "abcABC_. é\n")
    changed = [*given[:place], (both[: len(name)], both[len(name) :]), *given[place + 1 :]]
    assert not is_let_in(signatures(), official(PUBLIC_URL + SMS, given), fields=changed)


@given(st.data(), some_fields)
def test_a_signature_with_any_one_letter_changed_is_refused(data: st.DataObject, fields: dict[str, str]) -> None:
    given = list(fields.items())
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_ "
    changed = changed_in_one_letter(data, official(PUBLIC_URL + SMS, given), letters)
    assert not is_let_in(signatures(), changed, fields=given)


anything = st.text(st.characters())


@example("\ud800", "", [("\ud800", "\udfff")], "\ud800", None)
@given(anything, anything, st.lists(st.tuples(anything, anything)), anything | st.none(), st.binary() | st.none())
def test_whatever_comes_is_refused_and_breaks_nothing(
    path: str, query: str, fields: Fields, signature: str | None, body: bytes | None
) -> None:
    assert not is_let_in(signatures(), signature, path=path, query=query, fields=fields, body=body)


def test_where_a_name_ends_is_not_signed_and_so_nobody_may_build_on_it() -> None:
    # Twilio's scheme has it so; whoever uses it must have seen a request of Twilio, which comes by TLS.
    signature = official(PUBLIC_URL + SMS, [("Body", "ack")])
    assert is_let_in(signatures(), signature, fields=[("Bodya", "ck")])


def test_we_sign_as_twilios_library_does() -> None:
    assert twilio_signature(TOKEN, PUBLIC_URL + SMS, FIELDS) == official(PUBLIC_URL + SMS, FIELDS)


def changed_in_one_letter(data: st.DataObject, text: str, letters: str) -> str:
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from(letters))
    assume(letter != text[place])
    return text[:place] + letter + text[place + 1 :]
