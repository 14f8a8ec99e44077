"""POLICY.md: the policy in words, with the reasons. Rendered, so that it can never say something else than the file."""

from __future__ import annotations

from notifier.core.alert import Severity
from notifier.core.ledger import CLOCK_SKEW, WINDOW
from notifier.core.policy import CHANNELS, Policy
from notifier.core.wording import CHANNEL_NAMES, duration


def policy_page(policy: Policy) -> str:
    """The page, in Markdown."""
    sms = policy.sms
    return f"""# Who is told what, and why

Rendered from `policy.toml` by `python -m notifier policy > POLICY.md`. Change the file, not this page.

## Which severity goes where

{_table(policy)}

- A sender that sets no severity ("No severity" in Cloud Monitoring) is taken as **{policy.unset.value}**: it climbs by
  itself, so nothing is lost.
- A word we do not know is taken as **{policy.unknown.value}**, and the message says so.
- A channel that is not configured is skipped, and named in the start-up log.
- The log is written at every step, whatever the route says.

## When nobody answers

{_escalation(policy)}

Acknowledging stops this and all further pages: by the link in each message of Slack, Discord and email, or with
`python -m notifier ack`. The channels that heard of it are told who answered. Resolving stops everything, and tells
them how long it lasted. Neither is ever texted.
What can never close (a log match, an Error Reporting group, a text without an id) is told once and does not climb; a
critical one is paged like any other, until somebody acknowledges it.

## Why SMS is restricted

A text wakes somebody, costs money, and cannot be unsent. So:

- **Only critical.** `sms` in any other route is refused at start-up. A text goes out at effective severity critical and
  never below.
- **At most {sms.max_per_hour} an hour, over all instances.** A text counts for {int(WINDOW.total_seconds()):,} s, and \
{int(CLOCK_SKEW.total_seconds())} s for clocks, after the last moment it can have
  been accepted. Its slot is taken in the same commit as the decision to send it, before it is sent, and given back only
  when it is certain that it was not sent. At the cap nothing is sent, and the log and the free channels say
  `SMS rate cap ({sms.max_per_hour}/hr) hit` and what was not texted. When there is room again, what is still open and
  unanswered goes out as one text for all.
- **The last {sms.reserved} slots are kept** for the first page of an incident that its sender called critical: what \
climbed there by
  waiting cannot use up the hour.
- **Never twice for the same reason.** A text that may have been sent is not sent again before it was looked up in
  Twilio's own list. That list also stands in for the count of texts while the store cannot be reached.
- **{_segments(sms.max_segments)}.** A longer title is cut; severity and ref are always kept.
- An unanswered page goes to the next phone after {duration(sms.next_phone)}, and through the list of phones \
{_times(sms.rounds)}.
- **A text that did not arrive is said**, in the words of the provider, and the next phone is paged at once.

## Consent

Only the numbers in `ONCALL_PHONE` are ever texted: the phones of people on call. Before a number goes in, its owner
agrees to be texted about incidents at any hour, and you write down when and how; nobody else's consent counts. Each
page is about an incident that is open, and nothing is ever advertised. Whoever answers STOP (or STOPALL, UNSUBSCRIBE,
CANCEL, END, QUIT, OPTOUT, REVOKE) is texted no more, from that moment and whatever is open: the free channels say so,
and the next phone is paged. START (or YES, UNSTOP) takes it back. No number from an alert is ever used, and no number
is written to the log or the store in full.

## Credentials

No credential is in git. They are in `.env.yaml`, which git ignores, and in production in Secret Manager, where
`deploy.sh` puts them. No token, webhook address or phone number stands in full in a log or an error.
"""


def _table(policy: Policy) -> str:
    head = (
        "| severity | "
        + " | ".join(CHANNEL_NAMES[channel] for channel in CHANNELS)
        + " |\n"
        + "|---" * (len(CHANNELS) + 1)
        + "|"
    )
    rows = [
        f"| {severity.value} | "
        + " | ".join("yes" if channel in policy.routes[severity] else "–" for channel in CHANNELS)
        + " |"
        for severity in reversed(Severity)
    ]
    return "\n".join([head, *rows])


def _escalation(policy: Policy) -> str:
    if not policy.escalation:
        return "Nothing climbs: an incident stays at the severity its sender gave it."
    lines = [
        f"- {duration(after)} after we stored it, it is treated as **{severity.value}**: new channels are told."
        for severity, after in policy.escalation.items()
    ]
    below = "" if policy.climbs_from is Severity.INFO else f" Below {policy.climbs_from.value} nothing climbs."
    return (
        "An open incident that nobody acknowledges or resolves gets louder:\n\n"
        + "\n".join(lines)
        + f"\n\n{below.strip()}"
    )


def _segments(number: int) -> str:
    if number == 1:
        return "One segment: 160 characters of the GSM alphabet, or 70 others"
    return f"At most {number} segments: {153 * number} characters of the GSM alphabet, or {67 * number} others"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
