"""A security group of a cluster, or of the user, in an account with roles of ours: what is open to whom."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from blocks.aws_account import Feature, Variant
from blocks.aws_cluster import AwsClusterSpec
from tasks.providers.aws import policies
from tasks.providers.aws.group_rules import Door
from tasks.providers.aws.naming import Owner
from tasks.providers.aws.session import AwsSession, assumed
from tests.contract.least_rights import EXTERNAL_ID, role
from tests.worlds.aws_world import CUSTOMER, AwsWorld

US = "us-east-1"
WRITES = {"AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"}

Way = tuple[int, str]


@dataclass
class Place:
    """The customer's account with a cluster's group in it, or a group of the user's."""

    aws: AwsWorld
    ec2: Any
    us: AwsSession
    vpc: str
    group: str
    owner: Owner

    def door(self, owner: Owner | None = None) -> Door:
        return Door(self.us, US, self.group, (owner or self.owner).cluster)

    def rules(self) -> list[dict[str, Any]]:
        """The rules for coming in, as the account's owner sees them."""
        filters = [{"Name": "group-id", "Values": [self.group]}]
        pages = self.ec2.get_paginator("describe_security_group_rules").paginate(Filters=filters)
        return [rule for page in pages for rule in page["SecurityGroupRules"] if not rule["IsEgress"]]

    def open_to(self) -> set[Way]:
        """Ports and addresses that reach the group from outside, whoever opened them."""
        return {
            (rule["FromPort"], rule.get("CidrIpv4") or rule["CidrIpv6"])
            for rule in self.rules()
            if "ReferencedGroupInfo" not in rule
        }

    def by_hand(self, port: int, address: str, description: str = "") -> None:
        """A rule of somebody else."""
        told = {"CidrIp": address, **({"Description": description} if description else {})}
        permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [told]}
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[permission])

    def writes(self) -> int:
        """How often a rule of the group was opened or closed, by whomever."""
        return sum(call["operation"] in WRITES and call["params"]["GroupId"] == self.group for call in self.aws.calls())


def spec(**told: Any) -> AwsClusterSpec:
    return AwsClusterSpec(**{"name": "lab", "account": "aws-account/team", "region": US, **told})


@dataclass
class Account:
    """The customer's account with a network, and the roles with our policies in it."""

    aws: AwsWorld
    ec2: Any
    vpc: str
    ways_in: dict[str, AwsSession]

    def place(self, way_in: str = "automated", *, is_ours: bool = True) -> Place:
        """Make a group whose members reach each other, of a cluster or of the user."""
        owner = Owner("home", str(uuid4()))
        tagged = {"TagSpecifications": owner.born("security-group", "group")} if is_ours else {}
        asked = {"GroupName": f"lab-{owner.cluster}", "Description": "-", "VpcId": self.vpc, **tagged}
        group = self.ec2.create_security_group(**asked)["GroupId"]
        members = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[members])
        return Place(self.aws, self.ec2, self.ways_in[way_in], self.vpc, group, owner)


def open_account(aws: AwsWorld) -> Account:
    """Make the network, and a role for each of three accounts' policies."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    restricted = {"vpc_id": vpc, "instance_profile": "nodes"}
    ways_in: dict[str, tuple[Variant, Feature, Any]] = {
        "automated": (Variant.AUTOMATED, Feature.PORTS, {}),
        "restricted": (Variant.RESTRICTED, Feature.PORTS, restricted),
        "without": (Variant.AUTOMATED, Feature.SPOT, {}),
    }
    sessions = {}
    for name, (variant, feature, bounds) in ways_in.items():
        documents = policies.permission_policies(variant, [feature], account_id=CUSTOMER, **bounds)
        sessions[name] = assumed(role(f"groundwork-{name}", documents), EXTERNAL_ID, US)
    return Account(aws, ec2, vpc, sessions)
