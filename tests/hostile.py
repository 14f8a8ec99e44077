"""What somebody may write into an alert to have it live where people read it, and how a page is searched for life.

For every surface: HOSTILE is the table, `alive` lists what a page must not hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import timedelta
from html.parser import HTMLParser

from notifier.core.alert import Alert
from notifier.core.answering import answerer
from notifier.core.events import Acknowledged, Alerted, Decision
from notifier.core.incident import Incident
from notifier.core.message import Message, message_of
from notifier.core.roundup import MOST, as_one
from notifier.sources import read
from tests.builders import NOON, POLICY, decide, known, recorded, tick

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": "\"><img src=x onerror=alert(1)> '><svg/onload=alert(1)>",
    "end of the block": "</title></style></pre></code><iframe src=//evil.example></iframe><!--",
    "address of a script": "javascript:alert(1)",
    "address with data": "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "link to a script": "[x](javascript:alert(1)) ![x](data:text/html,x) <javascript:alert(1)> [x](JaVaScRiPt:a)",
    "link that hides": "[https://bank.example](https://evil.example) [words](https://evil.example/a)",
    "link within a link": "https://x.example/[a](https://evil.example) [a [b](https://e.example)](https://e.example)",
    "quote in a link": "[x](https://x.example/\"onmouseover='alert(1)) https://x.example/'%22><b>",
    "slack's link": "<https://evil.example|bank> <https://evil.example> | > <",
    "slack's pings": "<!channel> <!here|x> <@U012AB3CD> <#C01|x> &lt;!channel&gt; @here",
    "discord's pings": "@everyone @here <@1> <@&2> <#3> <t:4:R> </cmd:5> <:x:6>",
    "marks": "*b* **b** _i_ __b__ ~~s~~ ||x|| `c` ```\nc\n``` > # - 1. \\*",
    "marks left open": "**b `c ```d _e [f](",
    "ticks": "`` ` `` ````` a ```` ~~~ ``` ~~~",
    "header": "x\r\nBcc: evil@example.com\r\n\r\n<b>body</b>",
    "header after other line ends": "x\nBcc: a@b\x0bBcc: c@d\x0cBcc: e@f\u2028Bcc: g@h\u2029Bcc: i@j\x85Bcc: k@l",
    "encoded word": "=?utf-8?q?x=0d=0aBcc:_evil=40example.com?= =?utf-8?b?eA0KQmNjOiBldmlsQGV4YW1wbGUuY29t?=",
    "end of the mail": "x\r\n.\r\nMAIL FROM:<evil@example.com>\r\n--boundary--",
    "terminal": "\x1b[2J\x1b]0;title\x07\x1b[31mred\x9b2J\b\b\b",
    "turned around": "\u202eevil\u202d \u2066a\u2067b\u2068c \u202a\u202b",
    "ends of what we began": "a\u2069\u202c b",
    "right to left": "שרת db-1 נפל \u202e 7",
    "template": "{{7*7}} ${7*7} {% print(7*7) %} {0.__class__} %s%n",
    "nothing": "a\x00b\ud800c",
    "long": "<b>&\"'" * 3_000,
}


def bodies(value: str) -> Iterator[bytes]:
    """Bodies of Cloud Monitoring in which every text is `value`."""
    labels = {"project_id": value, value: value, "severity": value}
    incident = {
        "incident_id": "0.hostile",
        "state": "open",
        "severity": "Critical",
        "policy_name": value,
        "condition_name": f"b {value}",
        "summary": f"c {value}",
        "observed_value": f"d {value}",
        "resource_display_name": f"e {value}",
        "resource_name": value,
        "resource": {"type": value, "labels": labels},
        "metric": {"type": value, "labels": labels},
        "policy_user_labels": labels,
        "url": f"https://x.example/{value}",
        "documentation": {
            "content": f"f {value}\n\n* {value}\n\n```\n{value}\n```\n[{value}]({value}) <{value}>\n\n# {value}",
            "subject": f"g {value}",
            "links": [{"displayName": value, "url": f"https://x.example/{value}"}, {"displayName": "h", "url": value}],
        },
    }
    yield json.dumps({"incident": incident, "version": "1.2"}).encode()
    yield json.dumps({"incident": {**incident, "url": value, "documentation": value, "severity": value}}).encode()


def courses(value: str) -> Iterator[Decision]:
    """An incident of each body: as it opens, as somebody called `value` answers, as it ends, as it expires."""
    for body in bodies(value):
        (alert,) = read(body).alerts
        first = decide(Alerted(_as_critical(alert)))
        yield first
        later = NOON + timedelta(minutes=3)
        by = answerer(value, "by the link in Slack")
        answered = decide(Acknowledged(generation=1, by=by), known(recorded(first)), now=later)
        yield answered
        closed = Alert(source=alert.source, incident_id=alert.incident_id, title=alert.title, closed=True)
        yield decide(Alerted(closed), known(recorded(answered, now=later)), now=later)
        yield tick(recorded(first), NOON + timedelta(days=9))


def _as_critical(alert: Alert) -> Alert:
    return Alert(**{field: getattr(alert, field) for field in alert.__struct_fields__} | {"severity": "critical"})


def incidents(value: str) -> list[Incident]:
    return [known(decision) for decision in courses(value)]


def messages(value: str, channel: str) -> list[Message]:
    """Everything one channel is told of them, one by one and, where that happens, in one."""
    link = "https://pager.example.com/a/token"
    told = [
        message_of(incident, key, POLICY, link)
        for incident in incidents(value)
        for key, delivery in incident.deliveries.items()
        if delivery.channel == channel
    ]
    return told if channel == "sms" else [*told, as_one(told[: MOST[channel]])]


class _Page(HTMLParser):
    """Lists what is alive in a page, as a browser or a mail program would see it."""

    def __init__(self, tags: AbstractSet[str], attributes: AbstractSet[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.alive: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.text = ""
        self._allowed = (tags, attributes)
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        tags, attributes = self._allowed
        if tag not in tags:
            self.alive.append(f"<{tag}>")
        for name, value in attrs:
            if name not in attributes or name.startswith("on"):
                self.alive.append(f"<{tag} {name}>")
            if name in {"href", "src", "action"} and not (value or "").startswith(("https://", "http://")):
                self.alive.append(f"<{tag} {name}={value}>")
            if name == "style" and any(part in (value or "").lower() for part in ("url(", "expression", "@import")):
                self.alive.append(f"<{tag} style={value}>")
        if tag == "a":
            self._link = dict(attrs).get("href") or ""
            self.links.append((self._link, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._link is not None:
            self.links[-1] = (self._link, self.links[-1][1] + data)

    def handle_comment(self, data: str) -> None:
        self.alive.append(f"<!--{data}-->")

    def unknown_decl(self, data: str) -> None:
        self.alive.append(f"<![{data}]>")

    def handle_pi(self, data: str) -> None:
        self.alive.append(f"<?{data}>")


def alive(
    page: str, tags: AbstractSet[str], attributes: AbstractSet[str], own_links: tuple[str, ...] = ()
) -> list[str]:
    """What lives in `page` beyond its own `tags` and `attributes`; empty when nothing does.

    Also a link that is not to http(s), and one that shows other words than its address, unless they begin as one of
    `own_links`.
    """
    parser = _Page(tags, attributes)
    parser.feed(page)
    parser.close()
    return parser.alive + [
        f"{words} -> {url}" for url, words in parser.links if words != url and not words.startswith(own_links)
    ]


def words_of(page: str) -> str:
    """What a page says, without its marks."""
    parser = _Page(frozenset(), frozenset())
    parser.feed(page)
    parser.close()
    return parser.text
