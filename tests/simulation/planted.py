"""Bugs that the simulator must find: each a change of a few words in the code, made while it is imported.

A change whose words are not in the code any more fails loudly, so none of these can quietly stop meaning anything.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

import msgspec


class Bug(msgspec.Struct, frozen=True):
    """Words of one module, and what stands in their place."""

    module: str
    old: str
    new: str


BUGS: dict[str, Bug] = {
    "record before send": Bug(
        "notifier.relay",
        "event = Settled(attempts=self._send(incident, decision.send, deadlines), second_try=sent == 1)\n",
        "from notifier.core.outcome import Outcome, Result\n"
        "                early = tuple(Attempt(delivery=key, generation=incident.generation,\n"
        "                    number=incident.deliveries[key].attempts, outcome=Outcome(Result.SENT))\n"
        "                    for key in decision.send)\n"
        "                held = decision.send\n"
        "                seen, decision = self._step(seen.key, Settled(attempts=early, second_try=False), claim_id,\n"
        "                    deadlines, deadlines.record_by, seen)\n"
        "                event = Settled(attempts=self._send(incident, held, deadlines), second_try=sent == 1)\n",
    ),
    "release the slot on a time-out": Bug(
        "notifier.core.settling",
        'if delivery.channel == "sms" and outcome.result in (Result.REJECTED, Result.RETRY):',
        'if delivery.channel == "sms" and outcome.result is not Result.SENT:',
    ),
    "no claim id": Bug(
        "notifier.core.draft",
        "            and delivery.claim == self.claim.id\n",
        "",
    ),
    "claim id made inside the loop": Bug(
        "notifier.relay",
        "            claim = self._claim(claim_id, now, deadlines)\n",
        "            claim = self._claim(self._ids.claim(), now, deadlines)\n",
    ),
    "no lookup": Bug(
        "notifier.core.claiming",
        '        return delivery.channel != "sms"\n    return delivery.state is DeliveryState.PENDING\n',
        "        return True\n    return delivery.state is DeliveryState.PENDING\n",
    ),
    "one look is enough": Bug(
        "notifier.core.looking_up",
        "    if first is None or asked_at - first < APART:\n",
        "    if False:\n",
    ),
    "lease ignored": Bug(
        "notifier.core.escalation",
        "if delivery.state is DeliveryState.CLAIMED and delivery.due_at and delivery.due_at <= draft.now:",
        "if delivery.state is DeliveryState.CLAIMED:",
    ),
    "<= for < in the window": Bug(
        "notifier.core.ledger",
        "return self.taken(now) < (max_per_hour if first_page else max_per_hour - reserved)",
        "return self.taken(now) <= (max_per_hour if first_page else max_per_hour - reserved)",
    ),
    "a commit without its precondition": Bug(
        "tests.simulation.store",
        "if incident is not None and version != seen.incident_version:",
        "if False:",
    ),
    "a slot without its precondition": Bug(
        "tests.simulation.store",
        "if ledger is not None and self.ledger_version != seen.ledger_version:",
        "if False:",
    ),
    "record that ignores a conflict": Bug(
        "notifier.relay",
        "            decision = advance(known, event, self._policy, now, claim)\n",
        "            decision = unsure or advance(known, event, self._policy, now, claim)\n",
    ),
    "send without deadline": Bug(
        "notifier.relay",
        "self._sender.send(self._messages(incident, keys), deadlines.send_by)",
        "self._sender.send(self._messages(incident, keys), deadlines.send_by + 1_000)",
    ),
    "a page is claimed after an answer": Bug(
        "notifier.core.owing",
        "            return state is IncidentState.OPEN\n        case Kind.OPENED:\n",
        "            return True\n        case Kind.OPENED:\n",
    ),
    "a lost text is never looked up": Bug(
        "notifier.core.settling",
        '        draft.update(key, state=state, detail=outcome.detail)\n        draft.note(f"{words}; it is looked up',
        "        draft.update(key, state=state, due_at=None, detail=outcome.detail)\n"
        '        draft.note(f"{words}; it is looked up',
    ),
    "the reserved slots are for anybody": Bug(
        "notifier.core.claiming",
        "    return draft.ledger.has_room(sms.max_per_hour, sms.reserved, draft.now, first_page=first_page)\n",
        "    return draft.ledger.has_room(sms.max_per_hour, sms.reserved, draft.now, first_page=True)\n",
    ),
    "the cap is told nowhere": Bug("notifier.core.claiming", "    owe_notice(draft, topic, words)\n", ""),
    "an answer is told to nobody": Bug(
        "notifier.core.owing",
        "    kind = _ANSWERS.get(draft.incident.state)\n",
        "    kind = None\n",
    ),
    "without the store the list is not heeded": Bug(
        "notifier.core.unstored",
        "    texts = [text for listing in listings.values() for text in listing.texts if text.may_be_ours]\n",
        "    texts: list[Text] = []\n",
    ),
    "a capped page is forgotten": Bug("notifier.tick", "            self._do_waiting(done, until)\n", ""),
    "a digest is made of what the search found": Bug(
        "notifier.relay",
        "                event = self._still_held_back(event, known.ledger, by)\n",
        "                pass\n",
    ),
    "a digest's members stand nowhere": Bug(
        "notifier.core.digest",
        "    gathered = state.ledger.with_gathered(state.key, tuple(one.slot for one in event.members))\n",
        "    gathered = state.ledger\n",
    ),
    "a digest is not told to its members": Bug(
        "notifier.digests", "in self._relay.take_events(events, deadlines).values()", "in ()"
    ),
    "reports in any order": Bug(
        "notifier.core.reporting",
        "    return known is None or (not known.is_final and _RANK[progress] > _RANK[known])\n",
        "    return True\n",
    ),
    "a failed text is told to nobody": Bug(
        "notifier.core.reporting", "        could_not_page(draft, key, report.trouble)\n", ""
    ),
    "STOP is not heeded": Bug(
        "notifier.core.claiming",
        "    if draft.ledger.conversation.has_opted_out(mark, draft.now):\n",
        "    if False:\n",
    ),
    "a text at the second provider is looked up at Twilio": Bug(
        "notifier.core.settling",
        "    elif unknown and delivery.via:\n",
        "    elif False:\n",
    ),
    "the second provider gets what may have been sent": Bug(
        "notifier.core.settling",
        '    elif unknown and delivery.channel == "sms":\n',
        '    elif unknown and delivery.channel == "sms" and draft.policy.texting.fallback:\n'
        "        send_elsewhere(draft, key, outcome.detail)\n"
        '    elif unknown and delivery.channel == "sms":\n',
    ),
    "answers without end": Bug(
        "notifier.core.replying",
        "    may = bool(event.answer) and conversation.may_answer(phone, now)\n",
        "    may = bool(event.answer)\n",
    ),
}


def plant(name: str) -> None:
    """Make the bug `name` part of this process. Call it before its module is imported."""
    bug = BUGS[name]
    if bug.module in sys.modules:
        raise RuntimeError(f"{bug.module} is imported already")
    sys.meta_path.insert(0, _Finder(bug))


class _Finder(MetaPathFinder):
    def __init__(self, bug: Bug) -> None:
        self._bug = bug

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._bug.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self._bug)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, bug: Bug) -> None:
        super().__init__(fullname, path)
        self._bug = bug

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_source(fullname)
        assert source is not None
        if source.count(self._bug.old) != 1:
            raise RuntimeError(f"the words of a planted bug stand {source.count(self._bug.old)} times in {fullname}")
        return compile(source.replace(self._bug.old, self._bug.new), self.path, "exec", dont_inherit=True)
