"""Requests of every kind, made of dice: the same dice make the same request."""

from __future__ import annotations

import base64
from datetime import datetime
from random import Random
from urllib.parse import quote, urlencode

import msgspec

from tests.any_request.asked import Asked
from tests.any_request.hostile_json import any_body, any_text
from tests.any_request.places import ELSEWHERE, PLACES, Place, Who
from tests.any_request.rightful import WEBHOOK_TOKEN, signature
from tests.any_request.signed_in import ADMIN_TOKEN, COOKIE, FORM_BYTES, FORM_FIELDS, SESSION, session
from tests.web.pager import NOON
from tests.web.twilio_posts import PHONES, PUBLIC_URL, SENDER, reported, texted

WRONG = "wrong-token-of-somebody"
"""Presented in vain; it may stand in no log and no answer."""
PATHS = [
    *[
        "",
        "//",
        "/alerts",
        "/a",
        "/a/",
        "/tick/",
        "/TICK",
        "/health/",
        "/healthz",
        "/robots.txt",
        "/favicon.ico",
        "/../",
        "/.",
    ],
    *[
        "/twilio",
        "/twilio/status/",
        "/twilio/sms/x",
        "/a/x/y",
        "/%2e%2e/",
        "/\x00",
        "/\xff",
        "/a/\x00",
        "*",
        "a",
        "/" * 99,
    ],
    *[
        "/" + "a" * 9_000,
        "http://pager.example.com/",
        "http://169.254.169.254/",
        "pager.example.com:443",
        "/.git/config",
        "/;",
    ],
    *[
        "/a/" + "A" * 50,
        "/a/" + "A" * 49,
        "/a/%s" % ("_" * 51),
        "/status/x",
        "/tick\n",
        "/tick?x",
        "/\r\nX: y",
        "/static/a",
    ],
]
METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "BREW",
    "post",
    "PRI",
    "A" * 300,
]
TYPES = [
    *[
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "%",
        "",
    ],
    *[
        "multipart/form-data",
        "application/json; charset=utf-7",
        "application/cloudevents+json",
        "\xff",
        "a/b; c=" + "d" * 900,
    ],
]
TARGET_HEADERS = [
    *[
        "X-HTTP-Method-Override",
        "X-Forwarded-Host",
        "X-Forwarded-For",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Forwarded",
        "Host",
    ],
    *[
        "Cookie",
        "Range",
        "If-None-Match",
        "Accept",
        "Accept-Encoding",
        "Expect",
        "Upgrade",
        "Connection",
        "Trailer",
        "TE",
    ],
    *[
        "ce-type",
        "ce-id",
        "Function-Execution-Id",
        "X-Cloud-Trace-Context",
        "X-Appengine-Cron",
        "X-CloudScheduler",
        "Referer",
    ],
    *[
        "Content-Encoding",
        "Transfer-Encoding",
        "Content-Type",
        "X-Twilio-Signature",
        "I-Twilio-Idempotency-Token",
        "Origin",
        "Sec-Fetch-Site",
    ],
]
HEADER_VALUES = [
    *[
        "",
        "GET",
        "POST",
        "/tick",
        "127.0.0.1",
        "gzip",
        "deflate",
        "identity",
        "br, gzip",
        "chunked",
        "Chunked, identity",
    ],
    *[
        "bytes=0-",
        "*",
        "100-continue",
        "h2c",
        "close",
        "true",
        "\xff\xfe",
        "a=b; c=d",
        "a" * 9_000,
        "'\"<>",
        "0",
        "\t",
        ",,,",
    ],
]
WORDS = [
    "ack",
    "ok",
    "ACK ALL",
    "status",
    "stop",
    "START",
    "help",
    "ack 7F3K",
    "ack  # 0",
    "ack all now",
    "",
    "Ａｃｋ",
    "\x00",
]
STATUSES = [
    "delivered",
    "undelivered",
    "failed",
    "sent",
    "queued",
    "read",
    "canceled",
    "DELIVERED",
    "",
    "\x00",
    "delivered ",
]
ACCEPTS = [
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "application/json",
    "*/*",
    "text/html;q=0, application/json;q=0.1",
    "application/json, text/html",
    "TEXT/HTML",
    "image/png",
    "text/html;q=nan, */*;q=1e999",
    ";q=1,,/,*",
    "\xff",
    ",".join(["a/b"] * 900),
]
OUR_SITE = ["same-origin", "none"]
OTHER_SITES = ["cross-site", "same-site", "", "Same-Origin", "same-origin,cross-site", "null", "\xff"]
ORIGINS = [PUBLIC_URL, "null", "https://other.example.com", f"{PUBLIC_URL}.example.com", "\xff"]
CODES = ["", "0", "30003", "30007", "21610", "30034", "99999", "-1", "1e9", "9" * 30, "é"]


class Known(msgspec.Struct, frozen=True):
    """What somebody who may call would know."""

    links: tuple[str, ...] = ()
    """Last parts of the links that the channels were told."""
    reports: tuple[tuple[str, str, str], ...] = ()
    """Of each text: where it is to be reported (query), its sid, and the phone."""
    identities: tuple[str, ...] = ()
    """Google's tokens for those who may call."""
    forged: tuple[str, ...] = ()
    """Identity tokens that must let nobody in."""
    cookies: tuple[str, ...] = ()
    """What browsers were given at the status page; some have ended."""
    now: datetime = NOON


def any_request(dice: Random, known: Known) -> Asked:
    """One request, to any path, with any method, with or without what the path asks for."""
    if dice.randrange(12) == 0:
        place, path = ELSEWHERE, dice.choice(PATHS)
        if dice.randrange(6) == 0:
            path = any_text(dice).encode("utf-8", "replace").decode("latin-1")
    else:
        place = dice.choices(PLACES, [place.weight for place in PLACES])[0]
        path = place.path
    right = dice.randrange(100) < 60
    method = dice.choice(METHODS) if dice.randrange(10) == 0 else dice.choice(place.methods or METHODS)
    query, headers = _query(dice), _headers(dice)
    body = b""
    match place.who:
        case Who.LINK:
            path += dice.choice(known.links) if right and known.links else _wrong_link(dice, known)
            body = _acknowledgement(dice) if dice.randrange(4) else any_body(dice)
        case Who.TWILIO:
            return _of_twilio(dice, place, known, method, headers, right=right)
        case Who.ADMIN:
            return _of_admin(dice, known, method, headers, right=right)
        case _:
            body = any_body(dice) if place.name == "alerts" or dice.randrange(4) == 0 else body
            name, credential = _credential(dice, known, right=right)
            if name == "query":
                query = "&".join(filter(None, [credential, query] if right else [query, credential]))
            elif credential:
                headers.append((name, credential))
    return _sent(dice, Asked(method=method, path=path, query=query, headers=tuple(headers), body=body))


def _sent(dice: Random, asked: Asked) -> Asked:
    """As a server would show it, with its length, given honestly, mostly."""
    asked = msgspec.structs.replace(
        asked,
        query=_as_wsgi(asked.query),
        headers=tuple((_as_wsgi(name), _as_wsgi(value)) for name, value in asked.headers),
    )
    true = str(len(asked.body))
    kind = dice.randrange(60)
    if kind == 0:
        length: str | None = dice.choice(
            ["-1", "0", "abc", " 5", "1_0", "\xb2", "9" * 30, "1e3", "", str(len(asked.body) + 7)]
        )
    elif kind < 4:
        # In pieces: a server that takes these shows the header, and no length.
        return msgspec.structs.replace(asked, headers=(*asked.headers, ("Transfer-Encoding", "chunked")), length=None)
    else:
        length = true if asked.body or dice.randrange(2) else None
    return msgspec.structs.replace(asked, length=length)


def _as_wsgi(text: str) -> str:
    """The bytes of `text`, each as one character, as servers show them (PEP 3333)."""
    return text if text.isascii() or max(text) <= "\xff" else text.encode("utf-8", "surrogatepass").decode("latin-1")


def _headers(dice: Random) -> list[tuple[str, str]]:
    headers = [("Content-Type", dice.choice(TYPES))] if dice.randrange(3) else []
    more = dice.choice([0, 0, 0, 1, 3])
    headers += [(dice.choice(TARGET_HEADERS), dice.choice(HEADER_VALUES)) for _ in range(more)]
    if dice.randrange(200) == 0:
        headers += [(f"X-{number}", "a" * dice.choice([1, 4_000])) for number in range(100)]
    return headers


def _query(dice: Random) -> str:
    match dice.randrange(12):
        case 0:
            return quote(any_text(dice).encode("utf-8", "surrogatepass"))
        case 1:
            return dice.choice(
                ["a=b", "%", "%ff=%ff", "&&&", "=", "a" * 9_000, "auth_token=", "name=x", "?", "delivery=x", "\xff"]
            )
        case 2:
            return "&".join(f"{number}=x" for number in range(dice.choice([3, 3, 3, 500])))
        case _:
            return ""


def _credential(dice: Random, known: Known, *, right: bool) -> tuple[str, str]:
    """A header, or the query, and what stands in it; empty for none."""
    if right:
        if known.identities and dice.randrange(8) == 0:
            return "Authorization", f"Bearer {dice.choice(known.identities)}"
        return dice.choice(
            [
                ("Authorization", _basic("cloud-monitoring", WEBHOOK_TOKEN)),
                ("Authorization", _basic(dice.choice(["", "\xff", "a" * 900]), WEBHOOK_TOKEN)),
                ("Authorization", f"Bearer {WEBHOOK_TOKEN}"),
                ("Authorization", f"bEaReR  {WEBHOOK_TOKEN} "),
                ("query", f"auth_token={WEBHOOK_TOKEN}"),
            ]
        )
    wrong = _wrong(dice, WEBHOOK_TOKEN)
    return dice.choice(
        [
            ("", ""),
            ("Authorization", _basic("u", wrong)),
            ("Authorization", _basic(WEBHOOK_TOKEN, wrong)),
            ("Authorization", f"{dice.choice(['Bearer', 'Basic', 'Digest', 'Token', '', 'Negotiate'])} {wrong}"),
            ("Authorization", f"Bearer {dice.choice(known.forged) if known.forged else wrong}"),
            ("Authorization", f"Bearer {_bent_identity(dice, known)}"),
            (
                "Authorization",
                "Basic "
                + dice.choice(["%%%", "\x80", "=", "OjpA", "A" * 9_000, base64.b64encode(b"\xff:\xff").decode()]),
            ),
            (
                "Authorization",
                dice.choice(["", " ", "Basic", "Bearer", "Bearer  ", "\xff", 'Digest a=b, c="', "x" * 9_000]),
            ),
            ("query", f"auth_token={quote(wrong.encode('utf-8', 'surrogatepass'))}"),
            ("query", f"auth_token={wrong[:3]}&auth_token={WEBHOOK_TOKEN}"),
            ("query", f"Auth_Token={WEBHOOK_TOKEN}"),
            (
                dice.choice(["X-Auth-Token", "Proxy-Authorization", "Cookie", "X-Api-Key"]),
                f"auth_token={WEBHOOK_TOKEN}",
            ),
        ]
    )


def _of_admin(dice: Random, known: Known, method: str, headers: list[tuple[str, str]], *, right: bool) -> Asked:
    """Somebody at the status page: signs in or out by its form, or shows a cookie or the token, true or not."""
    if dice.randrange(4):
        headers.append(("Accept", dice.choice(ACCEPTS)))
    body, query = b"", ""
    if method == "HEAD" and dice.randrange(4):
        method = "POST"
    if method == "POST":
        body = _right_form(dice) if right else _wrong_form(dice)
        if dice.randrange(2):
            headers.append(("Sec-Fetch-Site", dice.choice(OUR_SITE if right else OTHER_SITES)))
            # With a true form: else nobody could tell what it is refused for.
            body = body if dice.randrange(2) else _right_form(dice)
        if dice.randrange(2):
            headers.append(("Origin", dice.choice(ORIGINS)))
    if method != "POST" or dice.randrange(4) == 0:
        name, credential = _right_admin(dice, known) if right else _wrong_admin(dice, known)
        if name == "query":
            query = credential
        elif name:
            headers.append((name, credential))
    return _sent(dice, Asked(method=method, path="/status", query=query, headers=tuple(headers), body=body))


def _right_form(dice: Random) -> bytes:
    return dice.choice(
        [
            urlencode({"token": ADMIN_TOKEN}).encode(),
            urlencode({"token": f" {ADMIN_TOKEN}\r\n"}).encode(),
            f"token=&token={ADMIN_TOKEN}&token={WRONG}".encode(),
            b"&".join([f"token={ADMIN_TOKEN}".encode(), *[b"x=%ff"] * (FORM_FIELDS - 1)]),
            b"sign-out=1",
            f"token={WRONG}&sign%2Dout=x".encode(),
        ]
    )


def _wrong_form(dice: Random) -> bytes:
    wrong = urlencode({"token": _wrong(dice, ADMIN_TOKEN)}, errors="surrogatepass").encode()
    true = f"token={ADMIN_TOKEN}".encode()
    if dice.randrange(40) == 0:
        return true + b" " * dice.choice([FORM_BYTES, FORM_BYTES - len(true) + 1])
    return dice.choice(
        [
            wrong,
            wrong,
            b"token=x&" + true,
            b"token=+&" + true,
            b"",
            b"token",
            b"sign-out&sign-out=",
            true.replace(b"token=", b"Token=", 1),
            true.replace(b"=", b"%3D", 1),
            b"&".join([true, *[b"x=1"] * FORM_FIELDS]),
            f'{{"token": "{ADMIN_TOKEN}", "sign-out": "1"}}'.encode(),
            f'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\n{ADMIN_TOKEN}\r\n--x--\r\n'.encode(),
            b"\xff\x00" + true,
            any_body(dice),
        ]
    )


def _right_admin(dice: Random, known: Known) -> tuple[str, str]:
    """A header, and what stands in it."""
    now = int(known.now.timestamp())
    # Not always of this pager: its other instances give out cookies, too.
    ends = now + dice.choice([1, 60, int(SESSION.total_seconds()), 10**9])
    value = dice.choice(known.cookies) if known.cookies and dice.randrange(2) else session(ends)
    return dice.choice(
        [
            ("Authorization", _basic(dice.choice(["admin", "", "\xff"]), ADMIN_TOKEN)),
            ("Authorization", f"{dice.choice(['Bearer', 'bEARER '])} {ADMIN_TOKEN}"),
            ("Cookie", f"{COOKIE}={value}"),
            ("Cookie", f'a=b; {COOKIE}="{value}" ;\xff'),
            ("Cookie", f"{COOKIE}={value}; {COOKIE}={_wrong_session(dice, known)}"),
        ]
    )


def _wrong_admin(dice: Random, known: Known) -> tuple[str, str]:
    """A header, or the query, and what stands in it; empty for nothing."""
    wrong = _wrong(dice, ADMIN_TOKEN)
    bent = _wrong_session(dice, known)
    true = session(int((known.now + SESSION).timestamp()))
    return dice.choice(
        [
            ("", ""),
            ("Authorization", _basic("admin", wrong)),
            ("Authorization", _basic(ADMIN_TOKEN, wrong)),
            ("Authorization", f"Bearer {wrong}"),
            ("Authorization", f"Bearer {WEBHOOK_TOKEN}"),
            ("Authorization", f"Bearer {true}"),
            ("Authorization", _basic("admin", true)),
            ("Cookie", f"{COOKIE}={bent}"),
            ("Cookie", f"{COOKIE}={bent}"),
            ("Cookie", f"{COOKIE}={bent}"),
            ("Cookie", f"{COOKIE}={bent}; {COOKIE}={true}"),
            ("Cookie", f"{dice.choice(['notifier', COOKIE.lower(), COOKIE + 'x', '', 'admin'])}={true}"),
            ("Cookie", f"{COOKIE}={dice.choice([ADMIN_TOKEN, WRONG, '', chr(34), '%22' + true])}"),
            ("Cookie", f"{COOKIE}, {true}"),
            ("Cookie", f'{COOKIE}="' + 'a="\\;' * 900),
            ("Cookie", ";".join(["a=b"] * 900)),
            ("query", f"auth_token={ADMIN_TOKEN}"),
            ("query", f"{dice.choice(['token', 'auth_token', 'admin_token', 'sign-out'])}={ADMIN_TOKEN}"),
            ("query", f"{COOKIE}={true}"),
        ]
    )


def _wrong_session(dice: Random, known: Known) -> str:
    """A cookie that has ended, is of another key, or has one of its signs changed."""
    now = int(known.now.timestamp())
    ends = now + int(SESSION.total_seconds())
    true = dice.choice(known.cookies) if known.cookies and dice.randrange(2) else session(ends)
    at = dice.randrange(len(true))
    ended = session(now - dice.choice([0, 0, 1, 60, now]))
    return dice.choice(
        [
            *[ended] * 4,
            session(ends, dice.choice(["", WEBHOOK_TOKEN, WRONG, ADMIN_TOKEN[:-1]])),
            session(ends, purpose=dice.choice([b"", b"notifier acknowledge link"])),
            session(2**64 - 1, WRONG),
            true[:at] + ("A" if true[at] != "A" else "B") + true[at + 1 :],
            true[:11] + "A" * 21,
            true[:at],
            f"{true}{dice.choice(['A', '=', '==', ' A'])}",
            f"{true[:at]}.{true[at:]}",
            true.swapcase(),
            "A" * 32,
            "\xff" * 32,
        ]
    )


def _wrong(dice: Random, token: str) -> str:
    """Not `token`, though perhaps near it."""
    return dice.choice(
        [
            WRONG,
            WRONG + "x" * 5_000,
            token[:-1],
            f"{token}x",
            token.upper(),
            f"\x00{token}",
            token[::-1],
            "é",
            any_text(dice),
        ]
    )


def _bent_identity(dice: Random, known: Known) -> str:
    """A true token with one of its characters changed, or a part of it taken out or put in twice."""
    token = dice.choice(known.identities) if known.identities else "a.b.c"
    at = dice.randrange(len(token))
    parts = token.split(".")
    # Never the signature's last one, of which some bits count for nothing.
    at = min(at, len(token) - 3)
    bent = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    return dice.choice(
        [bent, ".".join(parts[:2]) + ".", ".".join([*parts, parts[0]]), ".".join(reversed(parts)), "a.b.c", "..."]
    )


def _wrong_link(dice: Random, known: Known) -> str:
    link = dice.choice(known.links) if known.links else "A" * 50
    at = dice.randrange(len(link))
    bent = link[:at] + ("A" if link[at] != "A" else "B") + link[at + 1 :]
    return dice.choice(
        [bent, bent, link[:-1], f"{link}A", f"{link}=", link.swapcase(), f"{link}\x00", "", "\xff" * 50, WRONG]
    )


def _acknowledgement(dice: Random) -> bytes:
    return dice.choice(
        [
            b"",
            urlencode({"name": any_text(dice)}, errors="surrogatepass").encode(),
            b"name=" + b"%F0" * 900,
            b"&".join([b"name=x"] * 500),
            b"name=%ff%00",
        ]
    )


def _of_twilio(
    dice: Random, place: Place, known: Known, method: str, headers: list[tuple[str, str]], *, right: bool
) -> Asked:
    """A delivery report or a text, signed truly or not."""
    query, fields = _report(dice, known) if place.name == "report" else ("", _text(dice))
    for _ in range(dice.choice([0, 0, 1, 3])):
        name = (
            dice.choice(fields)[0]
            if fields and dice.randrange(3)
            else dice.choice(["Body", "From", "To", "MessageSid", "x", ""])
        )
        fields.insert(dice.randrange(len(fields) + 1), (name, any_text(dice)))
        if fields and dice.randrange(3) == 0:
            fields.pop(dice.randrange(len(fields)))
    if dice.randrange(40) == 0:
        fields += [(str(number), "x") for number in range(dice.choice([150, 300]))]
    body = urlencode(fields, errors="surrogatepass").encode()
    # What reaches us is what its bytes are read as: a surrogate is no letter there.
    read = [(_as_read(name), _as_read(value)) for name, value in fields]
    signed = signature(place.path, query, read)
    if not right:
        signed = dice.choice(
            ["", signed.swapcase(), signed[:-1], f"{signed} ", signature(place.path, "x=y", read), "\xff", WRONG]
        )
        if dice.randrange(6) == 0:
            signed, body = signature(place.path, query, read), any_body(dice)
    if signed:
        headers.append(("X-Twilio-Signature", signed))
    return _sent(dice, Asked(method=method, path=place.path, query=query, headers=tuple(headers), body=body))


def _as_read(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _report(dice: Random, known: Known) -> tuple[str, list[tuple[str, str]]]:
    query, sid, phone = dice.choice(known.reports) if known.reports else ("delivery=x", "SM" + "0" * 32, PHONES[0])
    if dice.randrange(6) == 0:
        query = dice.choice(
            [
                f"{query}0",
                query.replace(".1.", ".2."),
                "",
                "delivery=" + "0" * 32 + ".1.1.opened-sms-0-1",
                f"{query}&{query}",
            ]
        )
    code = dice.choice(CODES) if dice.randrange(2) else None
    word = dice.choice(STATUSES)
    return query, list(
        reported(MessageSid=sid, SmsSid=sid, To=phone, MessageStatus=word, SmsStatus=word, ErrorCode=code)
    )


def _text(dice: Random) -> list[tuple[str, str]]:
    sid = f"SM{dice.randrange(500):032}"
    phone = dice.choice([*PHONES, *PHONES, SENDER])
    said = dice.choice(WORDS) if dice.randrange(5) else any_text(dice)
    opted = dice.choice(["STOP", "START", "HELP", "stop", ""]) if dice.randrange(6) == 0 else None
    return list(texted(MessageSid=sid, SmsSid=sid, From=phone, Body=said, OptOutType=opted))


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogatepass")).decode()
