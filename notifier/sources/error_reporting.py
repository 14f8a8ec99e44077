"""Google Error Reporting, which uses the same webhook channels with a body of its own (version "1.0").

https://docs.cloud.google.com/error-reporting/docs/notifications: up to 5 an hour for each error group, and
never a close.
"""

from __future__ import annotations

from collections.abc import Iterator

from notifier.core.alert import Alert
from notifier.sources.fields import Fields
from notifier.sources.reading import Reading
from notifier.sources.words import flat_labels, mentions, paragraphs


def recognises(body: Fields) -> bool:
    return isinstance(body.values.get("group_info"), dict)


def read(body: Fields) -> Reading:
    """The one alert of the body; a `group_info` object is all it takes.

    It has no incident id: the same group next day has to be told again. Within minutes the same words are one
    alert, so the words are the group's; what differs from one error to the next (message, request) is a label.
    """
    title = _title(body)
    group, exception, event = (body.fields(name) for name in ("group_info", "exception_info", "event_info"))
    alert = Alert(
        source="error-reporting",
        incident_id="",
        severity="error",
        title=title,
        text=paragraphs(title, _parts(body)),
        url=group.text("detail_link"),
        labels=flat_labels(
            ("exception", Fields({"message": exception.text("message") or event.text("log_message")})),
            ("event", event),
            ("group", Fields({"project_id": group.text("project_id")})),
        ),
        one_off=True,
    )
    return Reading(alerts=(alert,))


def _title(body: Fields) -> str:
    what = body.fields("exception_info").text("type") or _stable_subject(body) or "New error"
    where = body.fields("event_info").text("service") or body.fields("group_info").text("project_id")
    return f"{what} in {where}" if where and not mentions(what, where) else what


def _parts(body: Fields) -> Iterator[str]:
    yield _stable_subject(body)
    link = body.fields("group_info").text("detail_link")
    if link:
        # Two groups may share exception and service: without its id the second would pass for the first.
        yield f"Error group {link.partition('?')[0].rstrip('/').rpartition('/')[2]}"
    else:
        yield body.fields("exception_info").text("message")


def _stable_subject(body: Fields) -> str:
    """The subject, which says whether the error is new, but for the message of this one error in it."""
    subject, message = body.text("subject"), body.fields("exception_info").text("message")
    return subject.replace(message, "…") if message and mentions(subject, message) else subject
