"""Texts from the people on call: what each asks for is done, and answered in one text at most."""

from __future__ import annotations

import msgspec

from notifier.callbacks import ReceivedText
from notifier.core.alert import Severity
from notifier.core.events import OptedOut, Texted
from notifier.core.incident import IncidentState
from notifier.core.ledger import Ledger
from notifier.core.policy import Policy
from notifier.core.replying import (
    HOW_TO_ASK,
    Command,
    Wish,
    answer_to_acknowledge,
    answer_to_status,
    concerned,
    read_wish,
)
from notifier.ports import Clock, Log, Store
from notifier.relay import NO_INCIDENT, Relay
from notifier.sending import Deadlines


class Replies:
    """Does what people ask by text. One for all requests of an instance; holds no state of its own."""

    def __init__(self, *, relay: Relay, store: Store, policy: Policy, clock: Clock, log: Log) -> None:
        self._relay = relay
        self._store = store
        self._policy = policy
        self._clock = clock
        self._log = log

    def take(self, text: ReceivedText, deadlines: Deadlines) -> str:
        """Do what `text` asks for; what to answer, empty for nothing.

        Raises StoreError when it could not be looked at, or for an opt-out when nobody can tell whether it is durable.
        """
        wish = read_wish(text.body, text.opt_out)
        self._log.write(Severity.INFO, f"phone {text.phone + 1} texts: {wish.command.value} {wish.ref}".rstrip())
        if wish.command in (Command.OPT_OUT, Command.OPT_IN):
            again = wish.command is Command.OPT_IN
            self._relay.opt_out(OptedOut(id=text.sid, phone=text.phone, again=again), deadlines)
        if wish.command in (Command.OPT_OUT, Command.OPT_IN, Command.NOT_OURS):
            # The provider answers these itself.
            return ""
        ledger = self._store.gather(NO_INCIDENT, deadlines.claim_by).ledger
        if ledger.conversation.has_received(text.sid):
            # What has been opened since must not be acknowledged by an old text.
            self._log.write(Severity.WARNING, "the same text again; nothing is done")
            return ""
        answer = self._done(wish, text.phone, ledger, deadlines)
        # What it asked for is done by now, however long that took.
        deadlines = msgspec.structs.replace(deadlines, claim_by=deadlines.record_by)
        return self._relay.answer(Texted(id=text.sid, phone=text.phone, answer=answer), deadlines)

    def _done(self, wish: Wish, phone: int, ledger: Ledger, deadlines: Deadlines) -> str:
        if wish.command is Command.UNKNOWN:
            return HOW_TO_ASK
        found = [one.incident for one in self._store.open_incidents(deadlines.claim_by) if one.incident]
        if wish.command is Command.STATUS:
            return answer_to_status(found, ledger, self._policy, self._clock.now())
        taken = self._relay.acknowledge_all(concerned(wish, found, phone), f"phone {phone + 1}, by text", deadlines)
        failed = [one.error for one in taken.values() if one.error]
        for error in failed:
            self._log.write(Severity.ERROR, f"not acknowledged by text: {error}")
        done = [one.incident for one in taken.values() if one.incident]
        return answer_to_acknowledge(wish, [one for one in done if one.state is not IncidentState.OPEN], len(failed))
