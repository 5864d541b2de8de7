"""What an account may have, against what is needed, before anything is made (ACC-21)."""

import json
from typing import Any

import pytest
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.aws_account import Feature, Finding, Variant
from blocks.errors import CredentialsInvalid, QuotaExceeded
from tasks.providers.aws import quotas
from tasks.providers.aws.quotas import Quota
from tasks.providers.aws.session import AwsSession, session_with
from tests.world.aws.launches import launch
from tests.worlds.aws.keys import root_key
from tests.worlds.aws_world import CUSTOMER, AwsWorld

pytestmark = pytest.mark.usefixtures("prefect_worker")

VCPUS, ADDRESSES = "L-1216C47A", "L-0263D0A3"
OURS = [{"Key": "groundwork:installation", "Value": "test"}]


def customer(access_key: str = "", secret: str = "") -> AwsSession:
    root = root_key(CUSTOMER)
    return session_with(
        AwsCredentials(
            aws_access_key_id=access_key or root.access_key, aws_secret_access_key=SecretStr(secret or root.secret)
        )
    )


def by_quota(**told: Any) -> dict[str, Finding]:
    return {one.subject: one for one in quotas.findings(customer(), "us-east-1", **told)}


def test_more_than_there_is_is_refused_with_the_numbers(aws: AwsWorld) -> None:
    """ACC-21: need 33, have 32; and where to ask for more."""
    aws.settings(limits={VCPUS: 32})
    quotas.check(customer(), "us-east-1", {Quota.STANDARD_VCPUS: 32})
    with pytest.raises(QuotaExceeded) as caught:
        quotas.check(customer(), "us-east-1", {Quota.STANDARD_VCPUS: 33})
    assert str(caught.value) == (
        "quotas in us-east-1: vCPUs of standard types: 33 needed, 32 free (0 of 32 in use). Ask for more at "
        "https://us-east-1.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/L-1216C47A"
    )
    assert not caught.value.retryable


def test_what_runs_counts(aws: AwsWorld) -> None:
    """ACC-21: other people's nodes too, with all vCPUs of their type; not those that are stopped, nor spot, nor P."""
    aws.settings(limits={VCPUS: 32})
    ec2 = aws.client("ec2")
    launch(ec2, 2, InstanceType="c5.xlarge", CpuOptions={"CoreCount": 2, "ThreadsPerCore": 1})
    launch(ec2, InstanceType="t3.micro", InstanceMarketOptions={"MarketType": "spot"})
    stopped = launch(ec2, InstanceType="t3.micro")[0]["InstanceId"]
    aws.advance(300)
    ec2.stop_instances(InstanceIds=[stopped])
    aws.advance(300)
    quotas.check(customer(), "us-east-1", {Quota.STANDARD_VCPUS: 24})
    with pytest.raises(QuotaExceeded, match=r"25 needed, 24 free \(8 of 32 in use\)"):
        quotas.check(customer(), "us-east-1", {Quota.STANDARD_VCPUS: 25})


def test_the_world_refuses_exactly_what_the_check_refuses(aws: AwsWorld) -> None:
    """ACC-21: a check that is wrong by one refuses what would work, or lets through what AWS refuses later."""
    aws.settings(limits={VCPUS: 10})
    launch(aws.client("ec2"), InstanceType="c5.xlarge")
    quotas.check(customer(), "us-east-1", {Quota.STANDARD_VCPUS: 6})
    launch(aws.client("ec2"), 3, InstanceType="t3.micro")
    with pytest.raises(QuotaExceeded):
        quotas.check(customer(), "us-east-1", {Quota.STANDARD_VCPUS: 1})


def test_every_quota_that_is_too_small_is_named(aws: AwsWorld) -> None:
    """ACC-21: asking AWS for more takes days, so all of it is asked at once."""
    aws.settings(limits={ADDRESSES: 1})
    aws.client("ec2").allocate_address(Domain="vpc")
    with pytest.raises(QuotaExceeded) as caught:
        quotas.check(customer(), "us-east-1", {Quota.ADDRESSES: 1, Quota.NETWORKS: 5, Quota.FILE_SYSTEMS: 1})
    assert "elastic IPs: 1 needed, 0 free (1 of 1 in use)" in str(caught.value)
    assert "VPCs: 5 needed, 4 free (1 of 5 in use)" in str(caught.value)
    assert "EFS" not in str(caught.value)


def test_another_regions_things_do_not_count(aws: AwsWorld) -> None:
    """A quota is a region's."""
    aws.settings(limits={ADDRESSES: 1})
    aws.client("ec2", region="eu-west-1").allocate_address(Domain="vpc")
    quotas.check(customer(), "us-east-1", {Quota.ADDRESSES: 1})
    with pytest.raises(QuotaExceeded):
        quotas.check(customer(), "eu-west-1", {Quota.ADDRESSES: 1})


def test_a_new_account_is_told_what_its_first_cluster_lacks(aws: AwsWorld) -> None:
    """ACC-21: before anybody tries; with what is there of ours taken as there."""
    assert {one.state for one in by_quota().values()} == {"good"}
    ec2 = aws.client("ec2")
    for number in range(3):
        ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")
    ec2.create_vpc(CidrBlock="10.9.0.0/16")
    assert by_quota()["quota VPCs"].state == "bad"
    vpc = ec2.describe_vpcs()["Vpcs"][-1]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=OURS)
    assert by_quota()["quota VPCs"].state == "good"


def test_only_what_an_account_is_used_for_is_asked(aws: AwsWorld) -> None:
    """In the restricted variant the network is the user's."""
    assert set(by_quota(variant=Variant.RESTRICTED, features=[])) == {"quota vCPUs of standard types"}
    assert set(by_quota(variant=Variant.AUTOMATED, features=[Feature.EFS])) == {
        "quota vCPUs of standard types",
        "quota VPCs",
        "quota elastic IPs",
        "quota EFS file systems",
    }


def test_a_quota_without_a_value_of_its_own_has_awss(aws: AwsWorld) -> None:
    """Service Quotas says NoSuchResourceException of what was never changed, for some quotas."""
    aws.fault("error", "service-quotas:GetServiceQuota", code="NoSuchResourceException", times=-1)
    with pytest.raises(QuotaExceeded, match="6 needed, 5 free"):
        quotas.check(customer(), "us-east-1", {Quota.STANDARD_VCPUS: 6})


def test_a_quota_that_may_not_be_asked_is_unverified(aws: AwsWorld) -> None:
    """ACC-08: and refuses nothing: AWS itself will, if it must."""
    iam = aws.client("iam")
    iam.create_user(UserName="somebody")
    statement = {"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="somebody", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="somebody")["AccessKey"]
    session = customer(key["AccessKeyId"], key["SecretAccessKey"])
    [found, *_] = quotas.findings(session, "us-east-1")
    assert found.state == "unverified"
    assert "servicequotas:GetServiceQuota" in found.text
    quotas.check(session, "us-east-1", {Quota.STANDARD_VCPUS: 10_000})


def test_bad_credentials_are_not_room_enough(aws: AwsWorld) -> None:
    """ACC-18: an account that was not seen is not an empty one."""
    with pytest.raises(CredentialsInvalid):
        quotas.check(customer(secret="wrong"), "us-east-1", {Quota.ADDRESSES: 1})


@pytest.mark.parametrize(
    ("node_type", "quota"),
    [
        ("c5n.18xlarge", Quota.STANDARD_VCPUS),
        ("im4gn.large", Quota.STANDARD_VCPUS),
        ("t3.micro", Quota.STANDARD_VCPUS),
        ("g5.xlarge", Quota.G_VCPUS),
        ("p4d.24xlarge", Quota.P_VCPUS),
        ("hpc7g.16xlarge", Quota.HPC_VCPUS),
        ("trn1.32xlarge", None),
    ],
)
def test_each_family_counts_for_its_own_quota(node_type: str, quota: Quota | None) -> None:
    """CLU-16: a launch that is checked against the wrong quota is refused by AWS."""
    assert quotas.quota_of(node_type) is quota
