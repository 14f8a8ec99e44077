"""Values for tests, each with only what the test is about said at the call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from notifier.core.advance import advance
from notifier.core.alert import Alert
from notifier.core.beginning import key_of
from notifier.core.digest import digest_alert, held_back
from notifier.core.events import (
    Acknowledged,
    Alerted,
    Attempt,
    Claim,
    Decision,
    Event,
    Finding,
    Reported,
    Settled,
    State,
    Ticked,
)
from notifier.core.incident import Delivery, Incident
from notifier.core.ledger import Ledger
from notifier.core.listing import Listing, Text
from notifier.core.outcome import Outcome, Result
from notifier.core.policy import Policy, Texting, parse_policy
from notifier.core.report import Progress, Report

ROOT = Path(__file__).parent.parent
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SHIPPED = parse_policy((ROOT / "policy.toml").read_text("utf-8"))
ALL_CHANNELS = {"log", "slack", "discord", "email", "sms"}


def texting(phones: int, **settings: object) -> Texting:
    """What the settings say about texts, of so many phones."""
    return Texting(phones=tuple(f"mark{number}" for number in range(phones)), **settings)  # type: ignore[arg-type]


POLICY = SHIPPED.deployed(ALL_CHANNELS, texting(2))


def an_alert(severity: str = "critical", incident_id: str = "db", **fields: object) -> Alert:
    """An alert that opens incident `db`, unless said otherwise."""
    given: dict[str, object] = {"source": "plain", "title": f"{incident_id or 'something'} is down", **fields}
    return Alert(severity=severity, incident_id=incident_id, **given)  # type: ignore[arg-type]


def failed_report(trouble: str) -> Report:
    """What the provider says of a text that did not arrive."""
    return Report(progress=Progress.FAILED, trouble=trouble)


def a_claim(now: datetime = NOON, claim_id: str = "mine", send_seconds: float = 7.0) -> Claim:
    """What a request may take that decides at `now`."""
    return Claim(id=claim_id, lease_until=now + timedelta(seconds=30), send_until=now + timedelta(seconds=send_seconds))


def decide(
    event: Event,
    incident: Incident | None = None,
    ledger: Ledger | None = None,
    *,
    now: datetime = NOON,
    policy: Policy = POLICY,
    claim: Claim | None = None,
) -> Decision:
    """`advance`, with the usual for what is not said."""
    key = incident.key if incident else key_of(event.alert, "request") if isinstance(event, Alerted) else ""
    return advance(State(key, incident, ledger or Ledger()), event, policy, now, claim or a_claim(now))


def opened(alert: Alert | None = None, *, now: datetime = NOON, policy: Policy = POLICY) -> Decision:
    """The decision on the first alert of an incident; its deliveries are claimed by `mine`."""
    return decide(Alerted(alert or an_alert()), now=now, policy=policy)


def settle_all(decision: Decision, result: Result = Result.SENT, **outcome: object) -> Settled:
    """Every send of `decision` ended in `result`."""
    return settle(decision, dict.fromkeys(decision.send, Outcome(result, **outcome)))  # type: ignore[arg-type]


def settle(decision: Decision, outcomes: dict[str, Outcome], *, second_try: bool = False) -> Settled:
    """The sends of `decision` ended as `outcomes` says."""
    incident = known(decision)
    return Settled(
        attempts=tuple(
            Attempt(
                delivery=key,
                generation=incident.generation,
                number=incident.deliveries[key].attempts,
                outcome=outcome,
            )
            for key, outcome in outcomes.items()
        ),
        second_try=second_try,
    )


def recorded(decision: Decision, *, now: datetime = NOON, policy: Policy = POLICY) -> Decision:
    """`decision`, with everything it sends sent and recorded."""
    return decide(settle_all(decision), known(decision), decision.ledger, now=now, policy=policy)


def tick(
    before: Decision,
    now: datetime,
    *,
    ledger: Ledger | None = None,
    policy: Policy = POLICY,
    claim_id: str = "",
    send_seconds: float = 7.0,
    release: bool = True,
) -> Decision:
    """What the tick at `now` makes of it, in a request of its own. `release`: it is the turn of what was held back."""
    claim = a_claim(now, claim_id or f"tick at {now}", send_seconds)
    return decide(Ticked(release=release), known(before), ledger or before.ledger, now=now, policy=policy, claim=claim)


def report(
    before: Decision,
    progress: Progress,
    now: datetime = NOON,
    *,
    delivery: str = "opened/sms/0/1",
    text_id: str = "",
    number: int = 1,
    policy: Policy = POLICY,
    **fields: object,
) -> Decision:
    """What a delivery report at `now` makes of it."""
    event = Reported(
        delivery=delivery,
        generation=1,
        number=number,
        id=text_id or known(before).deliveries[delivery].provider_id or "SM1",
        report=Report(progress=progress, **fields),  # type: ignore[arg-type]
    )
    claim = a_claim(now, f"report at {now}")
    return decide(event, known(before), before.ledger, now=now, policy=policy, claim=claim)


def listed(
    before: Decision,
    *texts: Text,
    now: datetime,
    listing: Listing | None = None,
    page: str = "opened/sms/0/1",
    ledger: Ledger | None = None,
    policy: Policy = POLICY,
    send_seconds: float = 7.0,
    **changes: object,
) -> Decision:
    """The tick at `now` finds the page due, and the provider's list shows `texts`."""
    ticked = tick(before, now, ledger=ledger, policy=policy, send_seconds=send_seconds)
    finding = Finding(
        delivery=page,
        generation=known(ticked).generation,
        number=delivery(ticked, page).attempts,
        asked_at=now,
        listing=listing or Listing(texts=texts),
    )
    event = Settled(findings=(msgspec.structs.replace(finding, **changes),), second_try=False)
    claim = a_claim(now, f"tick at {now}", send_seconds)
    return decide(event, ticked.incident, ticked.ledger, now=now, policy=policy, claim=claim)


def full(taken: int, now: datetime = NOON) -> Ledger:
    """A window that holds so many texts of other incidents."""
    ledger = Ledger()
    for number in range(taken):
        ledger = ledger.with_slot(f"other/1/opened/sms/{number}/1", now, now)
    return ledger


def collect(
    waiting: Sequence[Incident],
    ledger: Ledger,
    now: datetime,
    *,
    policy: Policy = POLICY,
    claim_id: str = "collector",
    send_seconds: float = 7.0,
) -> Decision:
    """What becomes of those that wait, told in one text."""
    key = key_of(digest_alert(claim_id), claim_id)
    event = held_back(waiting, ledger)
    return advance(State(key, None, ledger), event, policy, now, a_claim(now, claim_id, send_seconds))


def acknowledge(before: Decision, now: datetime, *, generation: int = 1, claim_id: str = "answer") -> Decision:
    """Ana answers at `now`."""
    event = Acknowledged(by="Ana, by the link in Slack", generation=generation)
    return decide(event, before.incident, before.ledger, now=now, claim=a_claim(now, claim_id))


def known(decision: Decision) -> Incident:
    """The decision's incident, which is there."""
    assert decision.incident is not None
    return decision.incident


def delivery(decision: Decision, key: str) -> Delivery:
    """One delivery of the decision's incident."""
    return known(decision).deliveries[key]


def states(decision: Decision) -> dict[str, str]:
    """How every delivery stands, as an answer shows it."""
    return {key: one.state.value for key, one in known(decision).deliveries.items()}
