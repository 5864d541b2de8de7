"""The AWS test world: moto made strict, with a clock, faults and a record of every call.

A request goes through these doors, in this order: decoded, its signature checked, faults, throttling, permissions,
dry run, tokens seen before, rules that refuse, the answer (by a rule or by moto), rules that amend, pages, the record.
"""

import re
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from moto.backends import get_backend
from werkzeug.wrappers import Response

from tests.worlds.aws import asked, identity, latencies, noting, paging, rules, tokens, wire
from tests.worlds.aws.call import Answer, Call, CannotAnswer, Injected, NoReply, Refused
from tests.worlds.aws.clock import Clock
from tests.worlds.aws.faults import Fault, Faults
from tests.worlds.aws.keys import KeyRing
from tests.worlds.aws.moto_inside import Moto
from tests.worlds.aws.permissions import judging
from tests.worlds.aws.rules import all as _all_rules  # noqa: F401
from tests.worlds.aws.staleness import Past

Kind = TypeVar("Kind")
_ID = re.compile(r"\b[a-z]{1,9}-[0-9a-f]{8,17}\b")


@dataclass
class Record:
    """One request, as it went. ``error`` is AWS's code, ``faults`` what was injected,
    ``actions`` the (IAM action, resource) pairs that it needed, ``made`` the ids in the answer of a call that changes
    something. ``at_s`` is our time, ``world_s`` and ``took_s`` the world's; ``late_s``: later than modelled."""

    at_s: float
    service: str
    operation: str
    params: dict[str, Any]
    principal: str
    account: str
    region: str
    attempt: int
    invocation: str
    status: int = 0
    error: str = ""
    faults: list[str] = field(default_factory=list)
    actions: list[list[str]] = field(default_factory=list)
    world_s: float = 0
    took_s: float = 0
    late_s: float = 0
    made: list[str] = field(default_factory=list)
    test: str = field(default_factory=noting.test_at_work)


class World:
    """One world. Rules keep what they remember in ``of``; a reset makes a new world."""

    def __init__(self, moto: Moto) -> None:
        self.clock = Clock()
        self.keys = KeyRing()
        self.faults = Faults()
        self.past = Past()
        self.records: list[Record] = []
        self.unanswered: list[str] = []
        self.settings: dict[str, Any] = {}
        self._moto = moto
        self._kept: dict[type, Any] = {}
        self._local = threading.local()
        self._lock = threading.RLock()
        self._numbers = 0

    def of(self, kind: type[Kind]) -> Kind:
        """Return this world's one instance of a class in which a rule remembers something."""
        with self._lock:
            if kind not in self._kept:
                self._kept[kind] = kind()
            found: Kind = self._kept[kind]
            return found

    def backend(self, call: Call, service: str = "") -> Any:
        """Return moto's own store of a service (``""``: the call's) in the caller's account and region."""
        name = service or call.service
        region = "aws" if name in ("iam", "s3", "sts") else call.region
        return get_backend(name)[call.account][region]

    def moto(self, call: Call, **changed: Any) -> Answer:
        """Return moto's answer to the request at hand, for a rule that wants to change it; a list is told whole.

        Args:
            call: The request.
            changed: Parameters that moto shall get instead; None takes one away.

        Raises:
            Refused: Moto refused, with its code.
        """
        return paging.whole(call, lambda pages: self._ask_moto(call, {**changed, **pages}))

    def _ask_moto(self, call: Call, changed: dict[str, Any]) -> Answer:
        request = self._local.request
        if changed:
            params = {name: value for name, value in {**call.params, **changed}.items() if value is not None}
            request = wire.rewritten(request[0], call, params)
        response = self._moto.answer(request, call.account)
        self._refuse_as_moto(call, response)
        return wire.parse(call, response)

    def handle(self, environ: dict[str, Any]) -> Response:
        """Answer a request.

        Raises:
            NoReply: The connection is to be closed without an answer.
        """
        request, body = wire.read(environ)
        self._numbers += 1
        number = self._numbers
        try:
            call = wire.decode(request)
        except CannotAnswer as error:
            return self.cannot(str(error))
        params = {name: _briefly(value) for name, value in call.params.items()}
        record = Record(
            time.time(), call.service, call.operation, params, "", "", call.region, call.attempt, call.invocation
        )
        self._local.request = (environ, body)
        record.world_s = self.clock.now_s()
        try:
            response = self._through_the_doors(call, request, record, number)
        except CannotAnswer as error:
            response = self.cannot(f"{call.name}: {error}")
        except NoReply:
            record.error = "no reply"
            raise
        finally:
            self._hold_back(call, record)
            self.records.append(record)
        record.status = response.status_code
        if not latencies.is_read(call.operation):
            record.made = _ID.findall(response.get_data(as_text=True))
        return response

    def _hold_back(self, call: Call, record: Record) -> None:
        if latencies.is_on(self):
            is_throttled = record.error in latencies.THROTTLES
            takes_s = latencies.OF_A_THROTTLE_S if is_throttled else latencies.drawn_s(self, call)
            record.late_s = latencies.wait_as_modelled(self, record.world_s, takes_s)
        record.took_s = self.clock.now_s() - record.world_s

    def _through_the_doors(self, call: Call, request: Any, record: Record, number: int) -> Response:
        late: list[Fault] = []
        try:
            identity.authenticate(self, call, request)
            record.principal, record.account = call.principal.arn, call.principal.account
            late = self._early_faults(call, record)
            self.faults.throttle(call, self.clock)
            latencies.throttle(self, call)
            record.actions = [list(need) for need in judging.authorise(self, call)]
            _end_dry_run(call)
            with self._lock:
                response = self._answer(call, number)
        except Refused as refused:
            record.error = refused.code
            if isinstance(refused, Injected):
                return wire.encode_error(call, refused, number)
            response = wire.refusal(call, refused, number)
        return self._late_faults(call, response, late, number)

    def _answer(self, call: Call, number: int) -> Response:
        asked.refuse_malformed(call)
        seen = tokens.seen_before(self, call)
        if seen is not None:
            return seen
        for refuse in rules.REFUSALS[call.name]:
            refuse(self, call)
        page = paging.next_page(self, call)
        if page is not None:
            return wire.answer(call, page, number)
        response = self._made(call, number)
        tokens.remember(self, call, response)
        return response

    def _made(self, call: Call, number: int) -> Response:
        make, amendments = rules.MAKERS.get(call.name), rules.AMENDMENTS[call.name]
        if make is None and not amendments and not paging.is_paged(call):
            response = self._moto.answer(self._local.request, call.account)
            self._refuse_as_moto(call, response)
            wire.check(call, wire.parse(call, response), "moto's")
            return response
        document = make(self, call) if make else self.moto(call)
        for amend in amendments:
            amend(self, call, document)
        return wire.answer(call, paging.first_page(self, call, document), number)

    def _refuse_as_moto(self, call: Call, response: Response) -> None:
        if response.status_code < 300 or response.status_code == 304:
            return
        text = response.get_data(as_text=True)
        if response.status_code >= 500 or (response.mimetype == "text/html" and text):
            raise CannotAnswer(f"moto has no answer ({response.status_code}: {text[:300]!r})")
        code, message = wire.error_of(call, response)
        raise Refused(code, message, response.status_code)

    def _early_faults(self, call: Call, record: Record) -> list[Fault]:
        late = []
        for fault in self.faults.hit(call):
            record.faults.append(fault.kind)
            if fault.kind == "delay":
                fault.wait_delay()
            elif fault.kind == "drop":
                raise NoReply
            elif fault.kind == "hang" and not fault.applied:
                fault.wait_freed()
            elif fault.kind == "error":
                raise Injected(fault.code, fault.message, fault.status)
            else:
                late.append(fault)
        return late

    def _late_faults(self, call: Call, response: Response, late: list[Fault], number: int) -> Response:
        told = response
        for fault in late:
            if fault.kind == "hang":
                fault.wait_freed()
                continue
            if fault.kind == "lose_reply":
                raise NoReply
            if fault.kind == "damage":
                told = Response(_damaged(told.get_data()), told.status_code, told.headers)
                continue
            told = self.past.stale(call, fault.ago, number)
        self.past.keep(call, response)
        return told

    def cannot(self, what: str) -> Response:
        """Remember that the world had no answer, and return what the client gets instead."""
        self.unanswered.append(what)
        return Response(f"The AWS test world cannot answer: {what}\n", 501, {"Content-Type": "text/plain"})

    def calls(self) -> list[dict[str, Any]]:
        """Return the record of all requests."""
        return [asdict(record) for record in list(self.records)]


def _briefly(value: Any) -> Any:
    return f"{len(value)} bytes" if isinstance(value, bytes) and len(value) > 1000 else value


def _damaged(content: bytes) -> bytes:
    return content[:-1] + bytes(255 - byte for byte in content[-1:])


def _end_dry_run(call: Call) -> None:
    if call.params.get("DryRun"):
        code = "DryRunOperation" if call.service == "ec2" else "DryRunOperationException"
        raise Refused(code, "Request would have succeeded, but DryRun flag is set.", 412)
