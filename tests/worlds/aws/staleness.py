"""Stale answers: what was true a while ago, as eventually consistent services tell ("Eventual consistency", EC2).

Every answer to a describing request is kept, its refusals too, so that "there is no such instance" can be told after
the instance was made. Where a question was not asked often enough before, it is answered as if nothing were there.
"""

import threading
from collections import OrderedDict, deque

from werkzeug.wrappers import Response

from tests.worlds.aws import models, paging, wire
from tests.worlds.aws.call import Call, CannotAnswer, Refused
from tests.worlds.aws.rules.lookups import KINDS

_READS = ("Describe", "Get", "Head", "List")
_KEPT = 20
_QUESTIONS = 1000


class Past:
    """The last answers to each question."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, str, str, str], deque[Response]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, call: Call, response: Response) -> None:
        """Keep an answer, to give it again when it is stale."""
        if not call.operation.startswith(_READS) or call.operation == "GetObject":
            return
        with self._lock:
            self._answers.setdefault(_question(call), deque(maxlen=_KEPT)).append(response)
            self._answers.move_to_end(_question(call))
            if len(self._answers) > _QUESTIONS:
                self._answers.popitem(last=False)

    def stale(self, call: Call, ago: int, number: int) -> Response:
        """Return the answer of so many times ago.

        Raises:
            CannotAnswer: The request does not describe anything, or the world does not know how nothing looks.
        """
        if not call.operation.startswith(_READS) or not 0 < ago <= _KEPT:
            raise CannotAnswer(f"a stale answer is of a describing request and at most {_KEPT} ago")
        answers = self._answers.get(_question(call), ())
        return answers[-ago] if ago <= len(answers) else _nothing_yet(call, number)


def _question(call: Call) -> tuple[str, str, str, str]:
    return call.account, call.region, call.name, call.digest()


def _nothing_yet(call: Call, number: int) -> Response:
    for wanted in _ids(call):
        kind = KINDS.get(wanted.rpartition("-")[0])
        if kind:
            return wire.refusal(call, Refused(kind.code, kind.words.format(wanted)), number)
    lists = paging.lists_of(call) or _only_list(call)
    if not lists or _ids(call):
        raise CannotAnswer("the world does not know how this looked before it was there: let it be asked once before")
    return wire.answer(call, {name: [] for name in lists}, number)


def _only_list(call: Call) -> list[str]:
    """Return the list in an answer that has nothing else and comes in one page, as that of DescribeKeyPairs."""
    shape = models.operation_model(call.service, call.operation).output_shape
    members = shape.members if shape is not None else {}
    return list(members) if [member.type_name for member in members.values()] == ["list"] else []


def _ids(call: Call) -> list[str]:
    found: list[str] = []
    for name, value in call.params.items():
        if name.endswith(("Id", "Ids")):
            found += value if isinstance(value, list) else [str(value)]
    return found
