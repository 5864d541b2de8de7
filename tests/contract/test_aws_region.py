"""What all clusters of a region share: made once, whole, closed to strangers (all as our role, with its own rights)."""

import json
from functools import partial
from typing import Any

import pytest

from blocks.errors import NameTaken, ProviderError, QuotaExceeded
from tasks.providers.aws.naming import PART_TAG, told
from tasks.providers.aws.policies import TAG
from tasks.providers.aws.region import finding, network, node_role, routes
from tasks.providers.aws.region.ground import RegionGround
from tasks.providers.aws.region.site import Site
from tests.worlds.aws_regions import OWNER, Standing, again, finish, lay, quick, site
from tests.worlds.aws_world import CUSTOMER, AwsWorld

PARTS = [
    *("address", "bucket", "internet-gateway", "key", "nat-gateway", "network", "private-routes", "private-subnet-1"),
    *("private-subnet-2", "public-routes", "public-subnet-1", "public-subnet-2", "s3-endpoint", "shared-files"),
    "shared-files-group",
]
"""All of a region that AWS's index of tags tells: roles are not in it."""


@pytest.fixture
def place(prefect_worker: AwsWorld) -> Site:
    """An empty region."""
    quick(prefect_worker)
    return site(prefect_worker)


@pytest.fixture
def ground(place: Site) -> RegionGround:
    """A region that is laid and whole."""
    made = lay(place)
    finish(place, made)
    return made


def way_out(standing: Standing, subnet_id: str) -> dict[str, Any]:
    """Where packets for the internet go from a subnet."""
    filters = [{"Name": "association.subnet-id", "Values": [subnet_id]}]
    (table,) = standing.ec2.describe_route_tables(Filters=filters)["RouteTables"]
    (route,) = [route for route in table["Routes"] if route.get("DestinationCidrBlock") == "0.0.0.0/0"]
    assert route["State"] == "active"
    return route  # type: ignore[no-any-return]


def test_nodes_reach_the_internet_and_nobody_reaches_them(prefect_worker: AwsWorld, ground: RegionGround) -> None:
    """NET-01: walked from each private subnet over NAT gateway and internet gateway; S3 straight; two zones; names."""
    standing = Standing(prefect_worker)
    ec2 = standing.ec2
    gateways = set()
    for _, subnet_id in ground.private_subnets:
        nat = ec2.describe_nat_gateways(NatGatewayIds=[way_out(standing, subnet_id)["NatGatewayId"]])["NatGateways"][0]
        assert nat["State"] == "available"
        assert nat["SubnetId"] == ground.public_subnets[0][1]
        gateways.add(way_out(standing, nat["SubnetId"])["GatewayId"])
    assert gateways == {way_out(standing, ground.public_subnets[1][1])["GatewayId"]}
    (gateway,) = ec2.describe_internet_gateways(InternetGatewayIds=list(gateways))["InternetGateways"]
    assert [(link["VpcId"], link["State"]) for link in gateway["Attachments"]] == [(ground.vpc_id, "available")]
    for zones in (ground.public_subnets, ground.private_subnets):
        assert len({zone for zone, _ in zones}) == 2
    for name in ("enableDnsSupport", "enableDnsHostnames"):
        attribute = ec2.describe_vpc_attribute(VpcId=ground.vpc_id, Attribute=name)
        assert attribute[name[0].upper() + name[1:]]["Value"] is True
    for _, subnet_id in (*ground.public_subnets, *ground.private_subnets):
        (subnet,) = ec2.describe_subnets(SubnetIds=[subnet_id])["Subnets"]
        assert subnet["MapPublicIpOnLaunch"] is False
    (point,) = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    assert (point["VpcId"], point["ServiceName"]) == (ground.vpc_id, "com.amazonaws.us-east-1.s3")
    assert set(point["RouteTableIds"]) == {standing.by_part("public-routes"), standing.by_part("private-routes")}


def test_shared_files_are_encrypted_and_open_to_the_network_alone(
    prefect_worker: AwsWorld, ground: RegionGround
) -> None:
    """SEC-10, NET-01: EFS with our key, a mount target in each private subnet, NFS from the network's addresses."""
    standing = Standing(prefect_worker)
    efs, ec2 = standing.to("efs"), standing.ec2
    (system,) = efs.describe_file_systems()["FileSystems"]
    assert (system["FileSystemId"], system["Encrypted"], system["KmsKeyId"]) == (
        ground.file_system_id,
        True,
        ground.key_arn,
    )
    targets = efs.describe_mount_targets(FileSystemId=ground.file_system_id)["MountTargets"]
    assert {target["SubnetId"] for target in targets} == {subnet_id for _, subnet_id in ground.private_subnets}
    assert {target["LifeCycleState"] for target in targets} == {"available"}
    for target in targets:
        groups = efs.describe_mount_target_security_groups(MountTargetId=target["MountTargetId"])["SecurityGroups"]
        assert groups == [ground.files_group_id]
    (group,) = ec2.describe_security_groups(GroupIds=[ground.files_group_id])["SecurityGroups"]
    (rule,) = group["IpPermissions"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 2049, 2049)
    assert [told["CidrIp"] for told in rule["IpRanges"]] == [ground.cidr]


def test_the_bucket_is_private(prefect_worker: AwsWorld, ground: RegionGround) -> None:
    """SEC-10: no public access, TLS only, encrypted."""
    s3 = Standing(prefect_worker).to("s3")
    block = s3.get_public_access_block(Bucket=ground.bucket)["PublicAccessBlockConfiguration"]
    assert all(block.values())
    assert len(block) == 4
    (rule,) = s3.get_bucket_encryption(Bucket=ground.bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=ground.bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Condition"]) == (
        "Deny",
        "s3:*",
        {"Bool": {"aws:SecureTransport": "false"}},
    )


def test_nodes_may_use_their_own_part_only(prefect_worker: AwsWorld, ground: RegionGround) -> None:
    """SEC-10: a node reads neither the bucket's other parts nor the keys of clusters; its role is EC2's to assume."""
    standing = Standing(prefect_worker)
    iam = standing.to("iam")
    (held,) = iam.get_instance_profile(InstanceProfileName=ground.instance_profile)["InstanceProfile"]["Roles"]
    assert held["RoleName"] == ground.instance_profile
    role = iam.get_role(RoleName=held["RoleName"])["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "ec2.amazonaws.com"}
    assert told(role["Tags"])[TAG] == "lab"

    def may(action: str, resource: str) -> bool:
        asked = iam.simulate_principal_policy(
            PolicySourceArn=role["Arn"], ActionNames=[action], ResourceArns=[resource]
        )
        return bool(asked["EvaluationResults"][0]["EvalDecision"] == "allowed")

    parameters = f"arn:aws:ssm:us-east-1:{CUSTOMER}:parameter/groundwork"
    assert may("s3:PutObject", f"arn:aws:s3:::{ground.bucket}/clusters/one/result")
    assert not may("s3:PutObject", f"arn:aws:s3:::{ground.bucket}/states/one")
    assert not may("s3:GetObject", "arn:aws:s3:::groundwork-away-222222222222-us-east-1/clusters/one")
    assert may("ssm:GetParameter", f"{parameters}/lab/nodes/one")
    assert not may("ssm:GetParameter", f"{parameters}/lab/clusters/one/key")
    assert not may("ec2:TerminateInstances", "*")


def test_everything_bears_our_tags_from_its_first_moment(prefect_worker: AwsWorld, ground: RegionGround) -> None:
    """CLU-38: what has no tag would be billed and never found; no call adds tags later but the bucket's."""
    tagged = Standing(prefect_worker).tagged()
    assert sorted(tags[PART_TAG] for tags in tagged.values()) == PARTS
    assert {tags[TAG] for tags in tagged.values()} == {"lab"}
    assert all(tags["Name"].startswith("groundwork-") for tags in tagged.values())
    later = {call["operation"] for call in prefect_worker.calls() if "Tag" in call["operation"]}
    assert later == {"TagRole", "PutBucketTagging"}  # TagRole: of the role that we come as
    assert ground.vpc_id in {arn.rpartition("/")[2] for arn in tagged}


def test_a_second_run_finds_everything(prefect_worker: AwsWorld, place: Site, ground: RegionGround) -> None:
    """CLU-12, NET-13: the same ids, nothing more in the account; the nodes' policy alone is written anew."""
    before, asked = Standing(prefect_worker).tagged(), len(prefect_worker.calls())
    assert lay(again(place)) == ground
    finish(again(place), ground)
    calls = [call["operation"] for call in prefect_worker.calls()[asked:]]
    changing = [name for name in calls if not name.startswith(("Describe", "Get", "List", "Head"))]
    assert changing == ["PutRolePolicy"]
    assert len(calls) < 30
    assert Standing(prefect_worker).tagged() == before


def test_few_calls(prefect_worker: AwsWorld, place: Site) -> None:
    """A whole region costs 36 changing calls and few that look, beside the polls."""
    asked = len(prefect_worker.calls())
    finish(place, lay(place))
    calls = [call["operation"] for call in prefect_worker.calls()[asked:] if call["operation"] != "AssumeRole"]
    looks = [name for name in calls if name.startswith(("Describe", "Get", "List", "Head"))]
    polls = ["DescribeFileSystems", "DescribeMountTargets", "DescribeNatGateways"]
    assert len(calls) - len(looks) <= 36
    assert sorted(name for name in looks if name not in polls) == [
        "DescribeAvailabilityZones",
        "DescribeRouteTables",
        "DescribeVpcs",
    ]


def test_another_region_is_another_ground(prefect_worker: AwsWorld, ground: RegionGround) -> None:
    """NET-13: shared in one region, not between two; names that the account has once only do not clash."""
    place = site(prefect_worker, "eu-west-1")
    other = lay(place)
    finish(place, other)
    assert Standing(prefect_worker, "eu-west-1").parts() == PARTS
    assert {other.bucket, other.instance_profile} & {ground.bucket, ground.instance_profile} == set()


def test_what_stands_is_found(place: Site, ground: RegionGround) -> None:
    """NET-13: a cluster's creation finds what is there, also when the connection is new."""
    assert finding.find(place.session, place.region, OWNER) == ground
    assert finding.find(place.session, "eu-west-1", OWNER) is None


def test_half_a_ground_is_none(prefect_worker: AwsWorld, place: Site, ground: RegionGround) -> None:
    """NET-13: nodes that start on half a ground fail one by one, in ways that nobody understands."""
    standing, name = Standing(prefect_worker), ground.instance_profile
    ec2, iam, kms, s3 = standing.ec2, standing.to("iam"), standing.to("kms"), standing.to("s3")
    held = {"InstanceProfileName": name, "RoleName": name}
    breaks_and_repairs = [
        (partial(iam.remove_role_from_instance_profile, **held), partial(iam.add_role_to_instance_profile, **held)),
        (partial(s3.delete_bucket, Bucket=ground.bucket), partial(s3.create_bucket, Bucket=ground.bucket)),
        (partial(kms.disable_key, KeyId=ground.key_arn), partial(kms.enable_key, KeyId=ground.key_arn)),
    ]
    for thing in (ground.vpc_id, ground.public_subnets[1][1], ground.files_group_id):
        tag = {"Key": TAG, "Value": "lab"}
        breaks_and_repairs.append(
            (
                partial(ec2.delete_tags, Resources=[thing], Tags=[tag]),
                partial(ec2.create_tags, Resources=[thing], Tags=[tag]),
            )
        )
    for break_it, repair_it in breaks_and_repairs:
        break_it()
        assert finding.find(place.session, place.region, OWNER) is None, break_it
        repair_it()
        assert finding.find(place.session, place.region, OWNER) == ground


def test_what_was_removed_by_hand_is_made_again(prefect_worker: AwsWorld, place: Site, ground: RegionGround) -> None:
    """OPS-07: route table, endpoint and NAT gateway have tokens that AWS answers with what is gone."""
    ec2 = Standing(prefect_worker).ec2
    standing = Standing(prefect_worker)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[standing.by_part("s3-endpoint")])
    ec2.delete_nat_gateway(NatGatewayId=standing.by_part("nat-gateway"))
    table = standing.by_part("public-routes")
    (told,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    for link in told["Associations"]:
        ec2.disassociate_route_table(AssociationId=link["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=table)
    prefect_worker.advance(4000)
    later = again(site_of_another_laying(place))
    finish(later, lay(later))
    assert Standing(prefect_worker).parts() == PARTS
    assert way_out(standing, ground.private_subnets[0][1])["NatGatewayId"]
    assert way_out(standing, ground.public_subnets[0][1])["GatewayId"]


def site_of_another_laying(place: Site) -> Site:
    return Site(place.session, place.region, place.owner, place.account_id, "second", pace=place.pace)


def test_a_nat_gateway_that_fails_is_told_and_made_again(prefect_worker: AwsWorld, place: Site) -> None:
    """OPS-07: made without an internet gateway, it fails minutes later; the next run makes another one."""
    vpc, zones = network.ensure_network(place), network.two_zones(place)
    public = network.ensure_public_subnets(place, vpc, zones)
    first = routes.ensure_nat_gateway(place, vpc, public, network.ensure_address(place))
    with pytest.raises(ProviderError, match=r"Gateway\.NotAttached"):
        routes.wait_nat_gateway(place, vpc.vpc_id)
    later = again(place)
    finish(later, lay(later))
    (nat,) = Standing(prefect_worker).ec2.describe_nat_gateways(Filters=[{"Name": "state", "Values": ["available"]}])[
        "NatGateways"
    ]
    assert nat["NatGatewayId"] != first


def test_a_bucket_of_somebody_else(prefect_worker: AwsWorld, place: Site) -> None:
    """NET-13: the whole world shares one space of names; a stranger's bucket would get our states."""
    prefect_worker.client("s3", "333333333333").create_bucket(Bucket="groundwork-lab-222222222222-us-east-1")
    with pytest.raises(NameTaken, match="bucket groundwork-lab-222222222222-us-east-1"):
        lay(place)


def test_a_run_goes_on_where_one_failed(prefect_worker: AwsWorld, place: Site) -> None:
    """OPS-07: what AWS refuses is told in one line; repaired, the next run makes only what is missing."""
    told = {"code": "SubnetLimitExceeded", "message": "The maximum number of subnets has been reached."}
    prefect_worker.fault("error", "ec2:CreateSubnet", nth=2, times=-1, **told)
    with pytest.raises(QuotaExceeded, match=r"subnets in us-east-1: .*CreateSubnet: SubnetLimitExceeded"):
        lay(place)
    prefect_worker.mend()
    done = {call["operation"] for call in prefect_worker.calls() if call["operation"] in ("CreateVpc", "CreateKey")}
    asked = len(prefect_worker.calls())
    lay(again(place))
    assert Standing(prefect_worker).parts() == PARTS
    assert done.isdisjoint(call["operation"] for call in prefect_worker.calls()[asked:])
    assert len(done) == 2


def test_the_nodes_policy_is_kept_up_to_date(prefect_worker: AwsWorld, place: Site, ground: RegionGround) -> None:
    """SEC-10: a run after an update gives nodes what that version allows them, no more."""
    iam = Standing(prefect_worker).to("iam")
    name = ground.instance_profile
    before = iam.get_role_policy(RoleName=name, PolicyName=node_role.POLICY_NAME)["PolicyDocument"]
    wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName=node_role.POLICY_NAME, PolicyDocument=json.dumps(wide))
    lay(again(place))
    assert iam.get_role_policy(RoleName=name, PolicyName=node_role.POLICY_NAME)["PolicyDocument"] == before
