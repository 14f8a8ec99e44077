"""Texts from the people on call: what each asks for is done, and answered in one text at most."""

from __future__ import annotations

from notifier.callbacks import ReceivedText
from notifier.core.alert import Severity
from notifier.core.events import OptedOut, Texted, Ticked
from notifier.core.incident import Incident, IncidentState
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
        answer, done = self._done(wish, text.phone, ledger, deadlines)
        answer = self._relay.answer(Texted(id=text.sid, phone=text.phone, answer=answer), deadlines)
        # Last: a channel that is slow must not make the answer say that nothing was done.
        self._tell(done, deadlines)
        return answer

    def _done(self, wish: Wish, phone: int, ledger: Ledger, deadlines: Deadlines) -> tuple[str, list[Incident]]:
        """What to answer, and what is acknowledged now; nobody is told of that yet."""
        if wish.command is Command.UNKNOWN:
            return HOW_TO_ASK, []
        found = [one.incident for one in self._store.open_incidents(deadlines.claim_by) if one.incident]
        if wish.command is Command.STATUS:
            return answer_to_status(found, ledger, self._policy, self._clock.now()), []
        taken = self._relay.acknowledge_all(concerned(wish, found, phone), f"phone {phone + 1}, by text", deadlines)
        failed = [(key, one.error) for key, one in taken.items() if one.error]
        for key, error in failed:
            self._log.write(Severity.ERROR, f"not acknowledged by text: {error}", incident=key)
        answered = [one.incident for one in taken.values() if one.incident]
        done = [one for one in answered if one.state is IncidentState.ACKNOWLEDGED]
        return answer_to_acknowledge(wish, done, len(failed)), done

    def _tell(self, acknowledged: list[Incident], deadlines: Deadlines) -> None:
        """Tell the others who answered, as far as there is time; the next tick does the rest."""
        taken = self._relay.take_events({one.key: Ticked() for one in acknowledged}, deadlines)
        if left := [one.error for one in taken.values() if one.error]:
            words = f"{len(left)} of {len(taken)} are acknowledged, but not told yet: {left[0]}"
            self._log.write(Severity.WARNING, words)
