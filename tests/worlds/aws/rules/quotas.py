"""Service Quotas: the same numbers that the world keeps to, and requests for more of them.

By the "Service Quotas API Reference"; words as in public bug reports. A request is ``PENDING``, then ``CASE_OPENED``,
then what the world's setting ``quota_verdict`` says: ``APPROVED`` by default, and the number holds from then on.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.session import get_session

from tests.worlds.aws import limits
from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused
from tests.worlds.aws.limits import QUOTAS, Quota
from tests.worlds.aws.rules import answer
from tests.worlds.aws.rules.passing_time import DUE

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

NAMES = {
    "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)",
    "elasticfilesystem": "Amazon Elastic File System (EFS)",
    "vpc": "Amazon Virtual Private Cloud (Amazon VPC)",
}

LASTS_S = {"PENDING": 60.0, "CASE_OPENED": 3600.0}
"""Seconds in each state that ends by itself; the world's setting ``quota_s`` changes them."""


@dataclass
class Request:
    """A request for another number."""

    id: str
    account: str
    region: str
    quota: Quota
    wanted: float
    requester: str
    made_s: float
    since_s: float
    status: str = "PENDING"

    @property
    def is_open(self) -> bool:
        """Whether AWS has not decided yet."""
        return self.status in LASTS_S


class Requests:
    """All requests for other numbers."""

    def __init__(self) -> None:
        self.all: list[Request] = []


def _settle(world: "World") -> None:
    lasts_s = {**LASTS_S, **world.settings.get("quota_s", {})}
    for request in world.of(Requests).all:
        while request.is_open and request.since_s + lasts_s[request.status] <= world.clock.now_s():
            request.since_s += lasts_s[request.status]
            verdict = str(world.settings.get("quota_verdict", "APPROVED"))
            request.status = "CASE_OPENED" if request.status == "PENDING" else verdict
            if request.status == "APPROVED":
                limits.grant(world, request.account, request.region, request.quota.code, request.wanted)


DUE.append(_settle)


NO_QUOTA = "L-00000000"
"""A code that no quota has, for those who want to hear so."""


def _service(call: Call) -> str:
    service = str(call.params["ServiceCode"])
    if service in NAMES:
        return service
    if service in get_session().get_available_services():
        raise CannotAnswer(f"the world's table has no quotas of {service}")
    raise Refused("NoSuchResourceException", "The request failed because the specified service does not exist.")


def _quota(call: Call) -> Quota:
    service, code = _service(call), call.params["QuotaCode"]
    found = QUOTAS.get(code)
    if found is None and code != NO_QUOTA:
        raise CannotAnswer(f"{code} is not in the world's table of quotas; {NO_QUOTA} is what no quota has")
    if found is None or found.service != service:
        raise Refused("NoSuchResourceException", "The request failed because the specified quota does not exist.")
    return found


def _arn(call: Call, quota: Quota) -> str:
    return f"arn:aws:servicequotas:{call.region}:{call.account}:{quota.service}/{quota.code}"


def _told(call: Call, quota: Quota, value: float) -> Answer:
    return {
        "ServiceCode": quota.service,
        "ServiceName": NAMES[quota.service],
        "QuotaArn": _arn(call, quota),
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": quota.is_adjustable,
        "GlobalQuota": False,
    }


def _applied(world: "World", call: Call, quota: Quota) -> Answer:
    value = limits.limit(world, call.account, call.region, quota.code)
    return {**_told(call, quota, value), "QuotaAppliedAtLevel": "ACCOUNT"}


@answer("service-quotas", "ListServices")
def _services(_: "World", call: Call) -> Answer:
    return {"Services": [{"ServiceCode": code, "ServiceName": name} for code, name in sorted(NAMES.items())]}


@answer("service-quotas", "GetServiceQuota")
def _get(world: "World", call: Call) -> Answer:
    return {"Quota": _applied(world, call, _quota(call))}


@answer("service-quotas", "GetAWSDefaultServiceQuota")
def _get_default(_: "World", call: Call) -> Answer:
    quota = _quota(call)
    return {"Quota": _told(call, quota, quota.default)}


@answer("service-quotas", "ListServiceQuotas")
def _list(world: "World", call: Call) -> Answer:
    service = _service(call)
    return {"Quotas": [_applied(world, call, quota) for quota in QUOTAS.values() if quota.service == service]}


@answer("service-quotas", "ListAWSDefaultServiceQuotas")
def _list_defaults(_: "World", call: Call) -> Answer:
    service = _service(call)
    return {"Quotas": [_told(call, quota, quota.default) for quota in QUOTAS.values() if quota.service == service]}


@answer("service-quotas", "RequestServiceQuotaIncrease")
def _ask(world: "World", call: Call) -> Answer:
    quota, wanted, now_s = _quota(call), float(call.params["DesiredValue"]), world.clock.now_s()
    if not quota.is_adjustable:
        raise Refused("IllegalArgumentException", f"The quota {quota.code} is not adjustable.")
    if wanted <= limits.limit(world, call.account, call.region, quota.code):
        text = "You must provide a quota value greater than or equal to the current quota value."
        raise Refused("IllegalArgumentException", text)
    if any(request.is_open and request.quota is quota for request in _ours(world, call)):
        raise Refused(
            "ResourceAlreadyExistsException", "Only one open service quota increase request is allowed per quota."
        )
    request = Request(
        secrets.token_hex(20)[:40], call.account, call.region, quota, wanted, call.principal.arn, now_s, now_s
    )
    world.of(Requests).all.append(request)
    return {"RequestedQuota": _request(call, request)}


def _ours(world: "World", call: Call) -> list[Request]:
    return [
        request
        for request in world.of(Requests).all
        if (request.account, request.region) == (call.account, call.region)
    ]


def _request(call: Call, request: Request) -> dict[str, Any]:
    return {
        "Id": request.id,
        "ServiceCode": request.quota.service,
        "ServiceName": NAMES[request.quota.service],
        "QuotaCode": request.quota.code,
        "QuotaName": request.quota.name,
        "QuotaArn": _arn(call, request.quota),
        "DesiredValue": request.wanted,
        "Status": request.status,
        "Created": datetime.fromtimestamp(int(request.made_s), UTC),
        "LastUpdated": datetime.fromtimestamp(int(request.since_s), UTC),
        "Requester": f'{{"accountId":"{request.account}","callerArn":"{request.requester}"}}',
        "GlobalQuota": False,
        "Unit": "None",
        "QuotaRequestedAtLevel": "ACCOUNT",
    }


@answer("service-quotas", "GetRequestedServiceQuotaChange")
def _get_request(world: "World", call: Call) -> Answer:
    found = next((request for request in _ours(world, call) if request.id == call.params["RequestId"]), None)
    if found is None:
        raise Refused("NoSuchResourceException", "The request failed because the specified request does not exist.")
    return {"RequestedQuota": _request(call, found)}


@answer(
    "service-quotas",
    "ListRequestedServiceQuotaChangeHistory",
    "ListRequestedServiceQuotaChangeHistoryByQuota",
)
def _history(world: "World", call: Call) -> Answer:
    wanted = {"quota.service": call.params.get("ServiceCode"), "quota.code": call.params.get("QuotaCode")}
    found = [
        request
        for request in _ours(world, call)
        if wanted["quota.service"] in (None, request.quota.service)
        and wanted["quota.code"] in (None, request.quota.code)
        and call.params.get("Status") in (None, request.status)
    ]
    return {"RequestedQuotas": [_request(call, request) for request in found]}
