"""Service Quotas and prices in the world: the numbers are those that it keeps to (OPS-24, ACC-21)."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.world.aws.refusals import refused
from tests.worlds.aws.limits import QUOTAS, VCPUS_STANDARD, VPCS
from tests.worlds.aws.rules.quotas import NO_QUOTA
from tests.worlds.aws_world import INSTALLATION, AwsWorld

HOUR_S = 3600


@pytest.fixture
def quotas(aws: AwsWorld) -> Any:
    """A client of Service Quotas."""
    return aws.client("service-quotas")


def value(quotas: Any, service: str = "vpc", code: str = VPCS) -> float:
    return float(quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])


def test_every_quota_is_told(quotas: Any) -> None:
    """A quota that the world keeps to and does not tell could not be looked up before a launch."""
    told: dict[str, float] = {}
    for service in [found["ServiceCode"] for found in quotas.list_services()["Services"]]:
        for page in quotas.get_paginator("list_service_quotas").paginate(ServiceCode=service):
            told |= {found["QuotaCode"]: found["Value"] for found in page["Quotas"]}
    assert told == {code: quota.applied for code, quota in QUOTAS.items()}


def test_default_and_applied_values_differ(quotas: Any) -> None:
    """An account in use has more vCPUs than a new one; the two questions are two operations."""
    asked = {"ServiceCode": "ec2", "QuotaCode": VCPUS_STANDARD}
    assert quotas.get_aws_default_service_quota(**asked)["Quota"]["Value"] == 5
    assert value(quotas, "ec2", VCPUS_STANDARD) > 5
    listed = quotas.list_aws_default_service_quotas(ServiceCode="ec2")["Quotas"]
    assert {found["QuotaCode"]: found["Value"] for found in listed}[VCPUS_STANDARD] == 5


def test_what_is_not_there(quotas: Any) -> None:
    """A wrong code or a service's quota asked of another service is refused, not zero."""
    refused("NoSuchResourceException", quotas.get_service_quota, ServiceCode="nothing", QuotaCode=VPCS)
    refused("NoSuchResourceException", quotas.get_service_quota, ServiceCode="vpc", QuotaCode=NO_QUOTA)
    refused("NoSuchResourceException", quotas.get_service_quota, ServiceCode="ec2", QuotaCode=VPCS)
    refused("NoSuchResourceException", quotas.list_service_quotas, ServiceCode="nothing")
    refused("NoSuchResourceException", quotas.get_requested_service_quota_change, RequestId="0" * 40)


def test_a_quota_that_the_world_does_not_know_is_loud(aws: AwsWorld, quotas: Any) -> None:
    """AWS has it, or may: to refuse it would be a guess."""
    for service, code in (("sagemaker", VPCS), ("vpc", "L-12345678")):
        with pytest.raises(ClientError, match="501"):
            quotas.get_service_quota(ServiceCode=service, QuotaCode=code)
    assert len(aws.unanswered()) == 2
    aws.reset()


def test_a_request_for_more_is_granted_in_time(aws: AwsWorld, quotas: Any) -> None:
    """The sixth VPC is refused until AWS has said yes, in this account and region alone."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    for number in range(1, 5):
        ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")
    refused("VpcLimitExceeded", ec2.create_vpc, CidrBlock="10.9.0.0/16")
    more = {"ServiceCode": "vpc", "QuotaCode": VPCS, "DesiredValue": 10}
    request = quotas.request_service_quota_increase(**more)["RequestedQuota"]
    assert (request["Status"], request["DesiredValue"]) == ("PENDING", 10)
    refused("ResourceAlreadyExistsException", quotas.request_service_quota_increase, **more)

    def status() -> str:
        told = quotas.get_requested_service_quota_change(RequestId=request["Id"])
        return str(told["RequestedQuota"]["Status"])

    aws.advance(61)
    assert status() == "CASE_OPENED"
    refused("ResourceAlreadyExistsException", quotas.request_service_quota_increase, **more)
    refused("VpcLimitExceeded", ec2.create_vpc, CidrBlock="10.9.0.0/16")
    aws.advance(HOUR_S)
    ec2.create_vpc(CidrBlock="10.9.0.0/16")
    assert status() == "APPROVED"
    assert value(quotas) == 10
    assert value(aws.client("service-quotas", INSTALLATION)) == 5
    assert value(aws.client("service-quotas", region="eu-west-1")) == 5
    refused("IllegalArgumentException", quotas.request_service_quota_increase, **more)
    history = quotas.list_requested_service_quota_change_history(ServiceCode="vpc")["RequestedQuotas"]
    assert [found["Id"] for found in history] == [request["Id"]]


def test_a_request_for_more_may_be_denied(aws: AwsWorld, quotas: Any) -> None:
    """Nothing changes then, and one may ask again."""
    aws.settings(quota_verdict="DENIED")
    more = {"ServiceCode": "vpc", "QuotaCode": VPCS, "DesiredValue": 10}
    quotas.request_service_quota_increase(**more)
    aws.advance(2 * HOUR_S)
    assert value(quotas) == 5
    history = quotas.list_requested_service_quota_change_history_by_quota(ServiceCode="vpc", QuotaCode=VPCS)
    assert [found["Status"] for found in history["RequestedQuotas"]] == ["DENIED"]
    quotas.request_service_quota_increase(**more)


def test_the_price_list(aws: AwsWorld) -> None:
    """Prices are JSON texts in a list; of what the world does not know there is none, and no product is made up."""
    pricing = aws.client("pricing")

    def prices(**wanted: str) -> list[float]:
        told = {
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
            **wanted,
        }
        filters = [{"Type": "TERM_MATCH", "Field": name, "Value": text} for name, text in told.items()]
        found = pricing.get_products(ServiceCode="AmazonEC2", Filters=filters)["PriceList"]
        terms = [offer for text in found for offer in json.loads(text)["terms"]["OnDemand"].values()]
        return [float(dim["pricePerUnit"]["USD"]) for offer in terms for dim in offer["priceDimensions"].values()]

    assert prices(instanceType="c5.4xlarge", regionCode="us-east-1") == [0.68]
    assert prices(instanceType="c5n.18xlarge", location="US West (Oregon)") == [3.888]
    assert prices(instanceType="c5.4xlarge", regionCode="eu-north-1") == []
    assert prices(instanceType="u-24tb1.metal", regionCode="us-east-1") == []
    assert prices(instanceType="c5.4xlarge", regionCode="us-east-1", operatingSystem="Windows") == []


def test_prices_in_pages(aws: AwsWorld) -> None:
    """The whole list has more than one page."""
    pages = list(aws.client("pricing").get_paginator("get_products").paginate(ServiceCode="AmazonEC2"))
    skus = [json.loads(text)["product"]["sku"] for page in pages for text in page["PriceList"]]
    assert len(pages) > 1
    assert len(skus) == len(set(skus))
