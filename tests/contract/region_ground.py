"""A region as its laying leaves it, and what a cluster has there: made by hand, so that cleaning it is tried alone."""

import json
from collections.abc import Iterator
from typing import Any

from blocks.aws_account import Feature, Variant
from tasks.providers.aws import policies
from tasks.providers.aws.naming import Owner, listed
from tasks.providers.aws.region import parts
from tasks.providers.aws.removal.things import Area
from tasks.providers.aws.session import assumed
from tests.contract.least_rights import EVERY, EXTERNAL_ID, role
from tests.world.aws.identities import trust
from tests.world.aws.launches import launch
from tests.worlds.aws_world import CUSTOMER, AwsWorld

REGION = "us-east-1"
US = "0123abcd4567"
ZONES = ("a", "b")
SPEED = 200.0
QUICK: dict[str, Any] = {"pause_s": 0.05, "between_looks_s": 0.05, "limit_s": 60.0}
CLUSTER = "5ab65b2c-0b9c-4b39-9d3b-0f3d6f2f6b11"


def running_quickly(aws: AwsWorld) -> Iterator[AwsWorld]:
    """A world whose clock runs: minutes pass in a second."""
    aws.speed(SPEED)
    yield aws
    aws.speed(1)


class Laid:
    """A region of the customer's account in which an installation laid its ground."""

    def __init__(self, aws: AwsWorld, installation: str = US, region: str = REGION) -> None:
        self.aws, self.region, self.owner = aws, region, Owner(installation)
        self.ec2, self.efs = self.client("ec2"), self.client("efs")
        self._network()
        self._way_out()
        self._files()
        self._keeping()

    def client(self, service: str) -> Any:
        return self.aws.client(service, region=self.region)

    def born(self, kind: str, part: str) -> list[Any]:
        return self.owner.born(kind, part)

    def _network(self) -> None:
        made = self.ec2.create_vpc(CidrBlock=parts.CIDR, TagSpecifications=self.born("vpc", parts.NETWORK))
        self.vpc = made["Vpc"]["VpcId"]
        self.aws.advance(5)
        self.subnets = {
            part: self.ec2.create_subnet(
                VpcId=self.vpc,
                CidrBlock=block,
                AvailabilityZone=f"{self.region}{ZONES[int(part[-1]) - 1]}",
                TagSpecifications=self.born("subnet", part),
            )["Subnet"]["SubnetId"]
            for part, block in (parts.PUBLIC_SUBNETS | parts.PRIVATE_SUBNETS).items()
        }
        born = self.born("internet-gateway", parts.INTERNET_GATEWAY)
        self.gateway = self.ec2.create_internet_gateway(TagSpecifications=born)["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        self.tables = {part: self._table(part) for part in (parts.PUBLIC_ROUTES, parts.PRIVATE_ROUTES)}

    def _table(self, part: str) -> str:
        made = self.ec2.create_route_table(VpcId=self.vpc, TagSpecifications=self.born("route-table", part))
        table = made["RouteTable"]["RouteTableId"]
        for name, subnet in self.subnets.items():
            if name.partition("-")[0] == part.partition("-")[0]:
                self.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        return str(table)

    def _way_out(self) -> None:
        born = self.born("elastic-ip", parts.ADDRESS)
        self.address = self.ec2.allocate_address(Domain="vpc", TagSpecifications=born)["AllocationId"]
        self.nat = self.ec2.create_nat_gateway(
            SubnetId=self.subnets["public-subnet-1"],
            AllocationId=self.address,
            TagSpecifications=self.born("natgateway", parts.NAT_GATEWAY),
        )["NatGateway"]["NatGatewayId"]
        self.aws.advance(100)
        anywhere = {"DestinationCidrBlock": "0.0.0.0/0"}
        self.ec2.create_route(RouteTableId=self.tables[parts.PUBLIC_ROUTES], GatewayId=self.gateway, **anywhere)
        self.ec2.create_route(RouteTableId=self.tables[parts.PRIVATE_ROUTES], NatGatewayId=self.nat, **anywhere)
        self.ec2.create_vpc_endpoint(
            VpcId=self.vpc,
            ServiceName=f"com.amazonaws.{self.region}.s3",
            RouteTableIds=list(self.tables.values()),
            TagSpecifications=self.born("vpc-endpoint", parts.S3_ENDPOINT),
        )

    def _files(self) -> None:
        self.group = self.new_group(parts.FILES_GROUP, parts.FILES_GROUP_NAME)
        key = self.client("kms").create_key(
            Tags=[{"TagKey": name, "TagValue": value} for name, value in self.owner.tags(parts.KEY).items()]
        )
        self.key = key["KeyMetadata"]["Arn"]
        self.client("kms").create_alias(AliasName=parts.key_alias(self.owner), TargetKeyId=self.key)
        self.files = self.efs.create_file_system(
            CreationToken=parts.files_token(self.owner),
            Encrypted=True,
            KmsKeyId=self.key,
            Tags=listed(self.owner.tags(parts.FILES)),
        )["FileSystemId"]
        self.aws.advance(10)
        for part in parts.PRIVATE_SUBNETS:
            self.efs.create_mount_target(
                FileSystemId=self.files, SubnetId=self.subnets[part], SecurityGroups=[self.group]
            )
        self.aws.advance(30)

    def new_group(self, part: str, name: str, cluster: str = "") -> str:
        """Make a security group of ours, or of a cluster of ours."""
        owner = Owner(self.owner.installation, cluster)
        born = owner.born("security-group", part)
        made = self.ec2.create_security_group(GroupName=name, Description="-", VpcId=self.vpc, TagSpecifications=born)
        return str(made["GroupId"])

    def _keeping(self) -> None:
        name, iam = parts.node_role(self.owner, self.region), self.client("iam")
        tags = listed(self.owner.tags(parts.NODE_ROLE, name))
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(f"arn:aws:iam::{CUSTOMER}:root"), Tags=tags)
        iam.put_role_policy(RoleName=name, PolicyName="groundwork-node", PolicyDocument=ALLOW)
        iam.create_instance_profile(InstanceProfileName=name, Tags=tags)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        self.role = name
        self.bucket = parts.bucket_name(self.owner, CUSTOMER, self.region)
        place = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        s3 = self.client("s3")
        s3.create_bucket(Bucket=self.bucket, **({} if self.region == "us-east-1" else place))
        s3.put_bucket_tagging(Bucket=self.bucket, Tagging={"TagSet": listed(self.owner.tags(parts.BUCKET))})
        self.parameter = f"/groundwork/{self.owner.installation}/nodes/settings"
        tags = listed(self.owner.tags("settings"))
        self.client("ssm").put_parameter(Name=self.parameter, Value="x", Type="String", Tags=tags)

    def cluster(self, uuid: str = CLUSTER) -> str:
        """Make what a cluster has; return its node."""
        owner = Owner(self.owner.installation, uuid)
        group = self.new_group("group", f"groundwork-{uuid[:8]}", uuid)
        self.ec2.create_key_pair(KeyName=f"groundwork-{uuid}", TagSpecifications=owner.born("key-pair", "key-pair"))
        name = f"groundwork-{uuid}"
        born = owner.born("placement-group", "placement-group")
        self.ec2.create_placement_group(GroupName=name, Strategy="cluster", TagSpecifications=born)
        self.client("ssm").put_parameter(
            Name=f"/groundwork/{owner.installation}/clusters/{uuid}/key",
            Value="secret",
            Type="SecureString",
            KeyId=self.key,
            Tags=listed(owner.tags("key")),
        )
        kinds = ("instance", "volume", "network-interface")
        node = launch(
            self.ec2,
            SubnetId=self.subnets["private-subnet-1"],
            SecurityGroupIds=[group],
            TagSpecifications=[one for kind in kinds for one in owner.born(kind, "workers")],
        )[0]
        self.aws.advance(60)
        return str(node["InstanceId"])

    def fill(self) -> None:
        """Put objects into the bucket, with old versions."""
        s3 = self.client("s3")
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        for body in (b"1", b"2"):
            s3.put_object(Bucket=self.bucket, Key="state", Body=body)
        s3.delete_object(Bucket=self.bucket, Key="state")


ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


def area(region: str = REGION, installation: str = US, *, features: list[Feature] | None = None) -> Area:
    """The region as our role sees it, with the policies of its installation and nothing else. Makes the role once."""
    documents = policies.permission_policies(
        Variant.AUTOMATED,
        EVERY[Variant.AUTOMATED] if features is None else features,
        account_id=CUSTOMER,
        installation=installation,
    )
    arn = role(f"groundwork-access-{installation}", documents)
    return Area(assumed(arn, EXTERNAL_ID, region), region, installation, CUSTOMER)


def world(aws: AwsWorld, region: str = REGION) -> dict[str, set[str]]:
    """All that is in the customer's account and region, as its root user sees it, but for what is over."""
    ec2 = aws.client("ec2", region=region)
    nodes = [one for found in ec2.describe_instances()["Reservations"] for one in found["Instances"]]
    efs, kms, ssm = (aws.client(service, region=region) for service in ("efs", "kms", "ssm"))
    iam, s3 = aws.client("iam"), aws.client("s3")
    keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    lists: dict[str, Any] = {
        "networks": ids(ec2.describe_vpcs()["Vpcs"], "VpcId"),
        "subnets": ids(ec2.describe_subnets()["Subnets"], "SubnetId"),
        "tables": ids(ec2.describe_route_tables()["RouteTables"], "RouteTableId"),
        "gateways": ids(ec2.describe_internet_gateways()["InternetGateways"], "InternetGatewayId"),
        "groups": ids(ec2.describe_security_groups()["SecurityGroups"], "GroupId"),
        "addresses": ids(ec2.describe_addresses()["Addresses"], "AllocationId"),
        "interfaces": ids(ec2.describe_network_interfaces()["NetworkInterfaces"], "NetworkInterfaceId"),
        "endpoints": ids(ec2.describe_vpc_endpoints()["VpcEndpoints"], "VpcEndpointId"),
        "nat": {
            gate["NatGatewayId"] for gate in ec2.describe_nat_gateways()["NatGateways"] if gate["State"] != "deleted"
        },
        "nodes": {node["InstanceId"] for node in nodes if node["State"]["Name"] != "terminated"},
        "volumes": ids(ec2.describe_volumes()["Volumes"], "VolumeId"),
        "key pairs": ids(ec2.describe_key_pairs()["KeyPairs"], "KeyPairId"),
        "placement groups": ids(ec2.describe_placement_groups()["PlacementGroups"], "GroupId"),
        "snapshots": ids(ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"], "SnapshotId"),
        "files": ids(efs.describe_file_systems()["FileSystems"], "FileSystemId"),
        "keys": {key["Arn"] for key in keys if key["KeyState"] == "Enabled" and key["KeyManager"] == "CUSTOMER"},
        "aliases": {one["AliasName"] for one in kms.list_aliases()["Aliases"] if "/aws/" not in one["AliasName"]},
        "parameters": ids(ssm.describe_parameters()["Parameters"], "Name"),
        "roles": {role["RoleName"] for role in iam.list_roles()["Roles"] if "aws-service-role" not in role["Arn"]},
        "profiles": ids(iam.list_instance_profiles()["InstanceProfiles"], "InstanceProfileName"),
        "buckets": ids(s3.list_buckets()["Buckets"], "Name"),
    }
    return {name: set(found) for name, found in lists.items()}


def ids(found: list[dict[str, Any]], member: str) -> set[str]:
    return {str(one[member]) for one in found}
