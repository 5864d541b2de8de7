"""What the policies let us do in an account and what not, judged call by call in the world (SEC-11, SEC-12).

A call that may be made is made dry where EC2 can, and really elsewhere.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from blocks.aws_account import Variant
from tasks.providers.aws import policies
from tasks.providers.aws.session import assumed
from tests.contract.least_rights import ASSUME, EXTERNAL_ID, OURS, Ask, Ground, dry, outcome, real, role, tagged
from tests.world.aws.identities import allow, key_of, make_user
from tests.worlds.aws_fixtures import become_prefect_worker
from tests.worlds.aws_world import CUSTOMER, AwsWorld

KMS_OURS = [{"TagKey": "groundwork:installation", "TagValue": "test"}]
HTTPS = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "203.0.113.7/32"}]}]
ALL = allow("*")


@pytest.fixture(scope="module")
def _grounds(_one_aws_world: AwsWorld) -> Iterator[dict[Variant, Ground]]:
    aws = _one_aws_world
    aws.reset()
    with pytest.MonkeyPatch.context() as patch:
        become_prefect_worker(patch, aws)
        yield {variant: Ground(aws, variant) for variant in Variant}
    assert aws.unanswered() == []


@pytest.fixture
def automated(_grounds: dict[Variant, Ground]) -> Ground:
    return _grounds[Variant.AUTOMATED]


@pytest.fixture
def restricted(_grounds: dict[Variant, Ground]) -> Ground:
    return _grounds[Variant.RESTRICTED]


def own_and_foreign(operation: str, member: str, kind: str, **told: Any) -> Iterator[tuple[str, str, Ask]]:
    """A change of our own thing is allowed, of a foreign one denied."""
    for of, expected in (("own", "allowed"), ("foreign", "denied")):
        value: Any = [f"{of}.{kind}"] if member.endswith("s") else f"{of}.{kind}"
        yield f"{operation} of {of} {kind}", expected, dry(operation, **{member: value}, **told)


def with_and_without_tag(operation: str, kind: str, **told: Any) -> Iterator[tuple[str, str, Ask]]:
    """A creation with our tag is allowed, without it denied."""
    yield f"{operation} with our tag", "allowed", dry(operation, TagSpecifications=tagged(kind), **told)
    yield f"{operation} without our tag", "denied", dry(operation, **told)
    others = [{"ResourceType": kind, "Tags": [{"Key": "groundwork:cluster", "Value": "x"}]}]
    yield f"{operation} with another tag", "denied", dry(operation, TagSpecifications=others, **told)


IN_EC2 = [
    *own_and_foreign("terminate_instances", "InstanceIds", "node"),
    *own_and_foreign("stop_instances", "InstanceIds", "node"),
    *own_and_foreign("start_instances", "InstanceIds", "node"),
    *own_and_foreign("modify_instance_attribute", "InstanceId", "node", InstanceType={"Value": "t3.small"}),
    *own_and_foreign("create_tags", "Resources", "node", Tags=[{"Key": "name", "Value": "x"}]),
    *own_and_foreign("create_tags", "Resources", "vpc", Tags=OURS),
    *own_and_foreign("delete_vpc", "VpcId", "vpc"),
    *own_and_foreign("delete_subnet", "SubnetId", "subnet"),
    *own_and_foreign("delete_security_group", "GroupId", "group"),
    *own_and_foreign("release_address", "AllocationId", "address"),
    *own_and_foreign("authorize_security_group_ingress", "GroupId", "group", IpPermissions=HTTPS),
    *own_and_foreign("revoke_security_group_ingress", "GroupId", "group", IpPermissions=HTTPS),
    *own_and_foreign("create_snapshot", "VolumeId", "volume", TagSpecifications=tagged("snapshot")),
    *own_and_foreign("create_subnet", "VpcId", "vpc", CidrBlock="10.0.9.0/24", TagSpecifications=tagged("subnet")),
    *own_and_foreign("create_route_table", "VpcId", "vpc", TagSpecifications=tagged("route-table")),
    *with_and_without_tag("create_vpc", "vpc", CidrBlock="10.1.0.0/16"),
    *with_and_without_tag("create_internet_gateway", "internet-gateway"),
    *with_and_without_tag("allocate_address", "elastic-ip", Domain="vpc"),
    *with_and_without_tag("create_placement_group", "placement-group", GroupName="groundwork-x", Strategy="cluster"),
    *with_and_without_tag("create_security_group", "security-group", GroupName="n", Description="-", VpcId="own.vpc"),
    *with_and_without_tag("create_snapshot", "snapshot", VolumeId="own.volume"),
    ("look", "allowed", dry("describe_vpcs")),
    ("delete our tag", "denied", dry("delete_tags", Resources=["own.node"], Tags=OURS)),
    ("make an image of a foreign node", "denied", dry("create_image", InstanceId="foreign.node", Name="stolen")),
    (
        "see a foreign node's user data",
        "denied",
        dry("describe_instance_attribute", InstanceId="foreign.node", Attribute="userData"),
    ),
]

LAUNCHES: list[tuple[str, str, Ask]] = [
    ("as the product does", "allowed", lambda ground: ground.launch()),
    ("in a network that is not ours", "allowed", lambda ground: ground.launch(ground.foreign)),
    ("without tags", "denied", lambda ground: ground.launch(TagSpecifications=None)),
    (
        "with untagged disks",
        "denied",
        lambda ground: ground.launch(TagSpecifications=tagged("instance", "network-interface")),
    ),
    (
        "with untagged nodes",
        "denied",
        lambda ground: ground.launch(TagSpecifications=tagged("volume", "network-interface")),
    ),
    ("with a foreign role", "denied", lambda ground: ground.launch(IamInstanceProfile={"Name": "foreign"})),
    ("at the spot price", "allowed", lambda ground: ground.launch(InstanceMarketOptions={"MarketType": "spot"})),
]

IN_OTHERS: list[tuple[str, str, Ask]] = [
    (
        "a node's role",
        "allowed",
        real("iam", "create_role", RoleName="groundwork-node-1", AssumeRolePolicyDocument=ASSUME, Tags=OURS),
    ),
    (
        "and its policy",
        "allowed",
        real("iam", "put_role_policy", RoleName="groundwork-node-x", PolicyName="p", PolicyDocument=ALL),
    ),
    (
        "a node's role without our tag",
        "denied",
        real("iam", "create_role", RoleName="groundwork-node-2", AssumeRolePolicyDocument=ASSUME),
    ),
    (
        "another role",
        "denied",
        real("iam", "create_role", RoleName="admin", AssumeRolePolicyDocument=ASSUME, Tags=OURS),
    ),
    (
        "more rights for ourselves",
        "denied",
        real("iam", "put_role_policy", RoleName="groundwork-automated", PolicyName="p", PolicyDocument=ALL),
    ),
    (
        "a policy of AWS's for ourselves",
        "denied",
        real(
            "iam",
            "attach_role_policy",
            RoleName="groundwork-automated",
            PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess",
        ),
    ),
    ("a foreign role's end", "denied", real("iam", "delete_role", RoleName="foreign")),
    (
        "a foreign role's rights",
        "denied",
        real("iam", "put_role_policy", RoleName="foreign", PolicyName="p", PolicyDocument=ALL),
    ),
    ("a user", "denied", real("iam", "create_user", UserName="groundwork-node-u")),
    (
        "a parameter of ours",
        "allowed",
        real("ssm", "put_parameter", Name="/groundwork/c/key", Value="x", Type="String"),
    ),
    ("another parameter", "denied", real("ssm", "put_parameter", Name="/other/key", Value="x", Type="String")),
    ("another parameter's value", "denied", real("ssm", "get_parameter", Name="/other")),
    ("a key", "allowed", real("kms", "create_key", Tags=KMS_OURS)),
    ("a key without our tag", "denied", real("kms", "create_key")),
    ("a bucket", "allowed", real("s3", "create_bucket", Bucket="groundwork-least")),
    ("another bucket", "denied", real("s3", "create_bucket", Bucket="other-least")),
    ("a file system", "allowed", real("efs", "create_file_system", CreationToken="a", Tags=OURS)),
    ("a file system without our tag", "denied", real("efs", "create_file_system", CreationToken="b")),
    ("a log group", "allowed", real("logs", "create_log_group", logGroupName="/groundwork/c")),
    ("another log group", "denied", real("logs", "create_log_group", logGroupName="/other")),
    (
        "the spot service's role",
        "allowed",
        real("iam", "create_service_linked_role", AWSServiceName="spot.amazonaws.com"),
    ),
    (
        "another service's role",
        "denied",
        real("iam", "create_service_linked_role", AWSServiceName="elasticloadbalancing.amazonaws.com"),
    ),
]


def ids(cases: list[tuple[str, str, Ask]]) -> list[str]:
    return [name for name, _, _ in cases]


@pytest.mark.parametrize(("name", "expected", "ask"), IN_EC2, ids=ids(IN_EC2))
def test_ec2_in_the_automated_variant(automated: Ground, name: str, expected: str, ask: Ask) -> None:
    """SEC-12: foreign things are as safe from us as if we were not there; nothing of ours is without our tag."""
    assert outcome(lambda: ask(automated)) == expected


@pytest.mark.parametrize(("name", "expected", "ask"), LAUNCHES, ids=ids(LAUNCHES))
def test_launches_in_the_automated_variant(automated: Ground, name: str, expected: str, ask: Ask) -> None:
    """SEC-12: what is launched bears our tag, disks too, and no role but ours goes to nodes."""
    assert outcome(lambda: ask(automated)) == expected


@pytest.mark.parametrize(("name", "expected", "ask"), IN_OTHERS, ids=ids(IN_OTHERS))
def test_other_services_in_the_automated_variant(automated: Ground, name: str, expected: str, ask: Ask) -> None:
    """SEC-12: by name in IAM, S3, SSM and logs, by tag in KMS and EFS."""
    assert outcome(lambda: ask(automated)) == expected


RESTRICTED: list[tuple[str, str, Ask]] = [
    ("launch as the product does", "allowed", lambda ground: ground.launch()),
    ("launch in another network", "denied", lambda ground: ground.launch(ground.foreign)),
    (
        "launch with a group of another network",
        "denied",
        lambda ground: ground.launch(SecurityGroupIds=[ground.foreign.group]),
    ),
    ("launch with another profile", "denied", lambda ground: ground.launch(IamInstanceProfile={"Name": "foreign"})),
    ("launch without a profile", "denied", lambda ground: ground.launch(IamInstanceProfile=None)),
    ("launch without tags", "denied", lambda ground: ground.launch(TagSpecifications=None)),
    ("launch at the spot price", "allowed", lambda ground: ground.launch(InstanceMarketOptions={"MarketType": "spot"})),
    (
        "launch at the spot price in another network",
        "denied",
        lambda ground: ground.launch(ground.foreign, InstanceMarketOptions={"MarketType": "spot"}),
    ),
    *own_and_foreign("terminate_instances", "InstanceIds", "node"),
    *own_and_foreign("modify_instance_attribute", "InstanceId", "node", InstanceType={"Value": "t3.small"}),
    *own_and_foreign("authorize_security_group_ingress", "GroupId", "group", IpPermissions=HTTPS),
    *own_and_foreign("revoke_security_group_ingress", "GroupId", "group", IpPermissions=HTTPS),
    *own_and_foreign("create_tags", "Resources", "node", Tags=[{"Key": "name", "Value": "x"}]),
    ("make a network", "denied", dry("create_vpc", CidrBlock="10.1.0.0/16", TagSpecifications=tagged("vpc"))),
    ("delete the user's network", "denied", dry("delete_vpc", VpcId="own.vpc")),
    ("delete the user's group", "denied", dry("delete_security_group", GroupId="own.group")),
    ("look", "allowed", dry("describe_vpcs")),
    (
        "a role",
        "denied",
        real("iam", "create_role", RoleName="groundwork-node-3", AssumeRolePolicyDocument=ASSUME, Tags=OURS),
    ),
    ("the profile", "allowed", real("iam", "get_instance_profile", InstanceProfileName="nodes")),
    ("another profile", "denied", real("iam", "get_instance_profile", InstanceProfileName="foreign")),
    ("a key", "denied", real("kms", "create_key", Tags=KMS_OURS)),
    ("a bucket", "denied", real("s3", "create_bucket", Bucket="groundwork-restricted")),
]


@pytest.mark.parametrize(("name", "expected", "ask"), RESTRICTED, ids=ids(RESTRICTED))
def test_the_restricted_variant(restricted: Ground, name: str, expected: str, ask: Ask) -> None:
    """SEC-12: the user's network and profile are used and not changed; no other is touched."""
    assert outcome(lambda: ask(restricted)) == expected


def test_a_foreign_key_cannot_be_made_ours(automated: Ground) -> None:
    """SEC-12: KMS has no word for tagging at creation only; so keys that have a name already take no tag of ours."""
    root, us = automated.aws.client("kms"), automated.to("kms")
    foreign = root.create_key()["KeyMetadata"]["KeyId"]
    root.create_alias(AliasName="alias/payroll", TargetKeyId=foreign)
    own = us.create_key(Tags=KMS_OURS)["KeyMetadata"]["KeyId"]
    assert outcome(lambda: us.create_alias(AliasName="alias/groundwork-state", TargetKeyId=own)) == "allowed"
    assert outcome(lambda: us.create_alias(AliasName="alias/groundwork-theirs", TargetKeyId=foreign)) == "denied"
    assert outcome(lambda: us.create_alias(AliasName="alias/state", TargetKeyId=own)) == "denied"
    assert outcome(lambda: us.tag_resource(KeyId=foreign, Tags=KMS_OURS)) == "denied"
    assert outcome(lambda: us.schedule_key_deletion(KeyId=foreign, PendingWindowInDays=7)) == "denied"
    assert outcome(lambda: us.encrypt(KeyId=foreign, Plaintext=b"x")) == "denied"
    assert outcome(lambda: us.encrypt(KeyId=own, Plaintext=b"x")) == "allowed"
    assert outcome(lambda: us.schedule_key_deletion(KeyId=own, PendingWindowInDays=7)) == "allowed"


def test_file_systems_and_their_interfaces(automated: Ground) -> None:
    """SEC-12: EFS makes and removes interfaces in our name; by ourselves we may remove none."""
    root, us = automated.aws.client("efs"), automated.to("efs")
    foreign = root.create_file_system(CreationToken="foreign")["FileSystemId"]
    own = us.create_file_system(CreationToken="own", Tags=OURS)["FileSystemId"]
    automated.aws.advance(600)
    mount = {"SubnetId": automated.own.subnet, "SecurityGroups": [automated.own.group]}
    assert outcome(lambda: us.create_mount_target(FileSystemId=foreign, **mount)) == "denied"
    target = us.create_mount_target(FileSystemId=own, **mount)
    automated.aws.advance(600)
    interface = target["NetworkInterfaceId"]
    remove = automated.ec2.delete_network_interface
    assert outcome(lambda: remove(NetworkInterfaceId=interface, DryRun=True)) == "denied"
    assert outcome(lambda: us.delete_mount_target(MountTargetId=target["MountTargetId"])) == "allowed"
    automated.aws.advance(600)
    assert outcome(lambda: us.delete_file_system(FileSystemId=own)) == "allowed"
    assert outcome(lambda: us.delete_file_system(FileSystemId=foreign)) == "denied"
    assert outcome(lambda: us.tag_resource(ResourceId=foreign, Tags=OURS)) == "denied"


def test_a_block_that_is_left_out_takes_its_rights_along(automated: Ground) -> None:
    """ACC-10: without spot, backup, resize and EFS nothing of them is allowed, and launches still are."""
    arn = role("groundwork-bare", policies.permission_policies(Variant.AUTOMATED, []))
    full, automated.us = automated.us, assumed(arn, EXTERNAL_ID)
    del automated.ec2
    try:
        assert outcome(automated.launch) == "allowed"
        assert outcome(lambda: automated.launch(InstanceMarketOptions={"MarketType": "spot"})) == "denied"
        snapshot = dry("create_snapshot", VolumeId="own.volume", TagSpecifications=tagged("snapshot"))
        assert outcome(lambda: snapshot(automated)) == "denied"
        resize = dry("modify_instance_attribute", InstanceId="own.node", InstanceType={"Value": "t3.small"})
        assert outcome(lambda: resize(automated)) == "denied"
        assert outcome(lambda: automated.to("efs").create_file_system(CreationToken="c", Tags=OURS)) == "denied"
    finally:
        automated.us = full
        del automated.ec2


OWN, OTHER = "6b1f0d3e-5a64-4a7c-9b0e-3c1f3a5d7e90", "6b1f0d3e-5a64-4a7c-9b0e-3c1f3a5d7e91"


def test_nodes_reach_their_own_clusters_things_only(automated: Ground) -> None:
    """SEC-11: other prefix, other cluster's parameters, anything else: denied."""
    own = "groundwork-node-of-own"
    automated.iam.create_role(RoleName=own, AssumeRolePolicyDocument=ASSUME)
    document = policies.node_policy(
        bucket="groundwork-nodes", prefix=f"clusters/{OWN}", cluster=OWN, account_id=CUSTOMER
    )
    automated.iam.put_role_policy(RoleName=own, PolicyName="own", PolicyDocument=policies.text_of(document))
    root_s3, root_ssm = automated.aws.client("s3"), automated.aws.client("ssm")
    root_s3.create_bucket(Bucket="groundwork-nodes")
    for cluster in (OWN, OTHER):
        root_s3.put_object(Bucket="groundwork-nodes", Key=f"clusters/{cluster}/hosts", Body=b"x")
        root_ssm.put_parameter(Name=f"/groundwork/{cluster}/ssh-key", Value="x", Type="SecureString")
    user = make_user(automated.aws, CUSTOMER, policy=allow("sts:AssumeRole"))
    arn = f"arn:aws:iam::{CUSTOMER}:role/{own}"
    node = key_of(automated.aws.client("sts", **user).assume_role(RoleArn=arn, RoleSessionName="i-0"))
    s3, ssm, ec2 = (automated.aws.client(service, **node) for service in ("s3", "ssm", "ec2"))
    for cluster, expected in ((OWN, "allowed"), (OTHER, "denied")):
        place = {"Bucket": "groundwork-nodes", "Key": f"clusters/{cluster}/hosts"}
        assert outcome(lambda place=place: s3.get_object(**place)) == expected
        assert outcome(lambda place=place: s3.put_object(**place, Body=b"y")) == expected
        assert outcome(lambda place=place: s3.delete_object(**place)) == expected
        prefix = {"Bucket": "groundwork-nodes", "Prefix": f"clusters/{cluster}/"}
        assert outcome(lambda prefix=prefix: s3.list_objects_v2(**prefix)) == expected
        name = f"/groundwork/{cluster}/ssh-key"
        assert outcome(lambda name=name: ssm.get_parameter(Name=name, WithDecryption=True)) == expected
        path = f"/groundwork/{cluster}"
        assert outcome(lambda path=path: ssm.get_parameters_by_path(Path=path)) == expected
    assert outcome(lambda: s3.list_objects_v2(Bucket="groundwork-nodes")) == "denied"
    assert outcome(lambda: ssm.put_parameter(Name=f"/groundwork/{OWN}/x", Value="x", Type="String")) == "denied"
    assert outcome(lambda: ec2.terminate_instances(InstanceIds=[automated.own.node], DryRun=True)) == "denied"
