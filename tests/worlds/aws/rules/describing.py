"""Lists of networks and their parts: ids that are not there, filters, and pages together with ids.

Names of filters: each Describe operation's page in the "Amazon EC2 API Reference".
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import answer
from tests.worlds.aws.rules.document_filters import chosen
from tests.worlds.aws.rules.lookups import of_kind

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

Paths = dict[str, str]
"""Where a filter of this name finds its values in a described item."""


@dataclass(frozen=True)
class Listing:
    """A Describe operation: the member that lists, the parameter that takes ids of this prefix, its filters.

    ``tags`` is the member of an item that has its tags; empty where nothing can be tagged.
    """

    key: str
    ids: str
    prefix: str
    paths: Paths
    pages_with_ids: bool = True
    tags: str = "Tags"


def _permissions(side: str, member: str) -> Paths:
    told = {
        "cidr": "IpRanges.CidrIp",
        "from-port": "FromPort",
        "group-id": "UserIdGroupPairs.GroupId",
        "group-name": "UserIdGroupPairs.GroupName",
        "ipv6-cidr": "Ipv6Ranges.CidrIpv6",
        "prefix-list-id": "PrefixListIds.PrefixListId",
        "protocol": "IpProtocol",
        "to-port": "ToPort",
        "user-id": "UserIdGroupPairs.UserId",
    }
    return {f"{side}.{name}": f"{member}.{path}" for name, path in told.items()}


LISTINGS: dict[str, Listing] = {
    "DescribeVpcs": Listing(
        "Vpcs",
        "VpcIds",
        "vpc",
        {
            "cidr": "CidrBlock",
            # The page does not name it; AWS takes it, as amazon.aws.ec2_vpc_net has asked by it for years.
            "cidr-block": "CidrBlock",
            "cidr-block-association.association-id": "CidrBlockAssociationSet.AssociationId",
            "cidr-block-association.cidr-block": "CidrBlockAssociationSet.CidrBlock",
            "cidr-block-association.state": "CidrBlockAssociationSet.CidrBlockState.State",
            "dhcp-options-id": "DhcpOptionsId",
            "ipv6-cidr-block-association.association-id": "Ipv6CidrBlockAssociationSet.AssociationId",
            "ipv6-cidr-block-association.ipv6-cidr-block": "Ipv6CidrBlockAssociationSet.Ipv6CidrBlock",
            "ipv6-cidr-block-association.state": "Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State",
            "is-default": "IsDefault",
            "isDefault": "IsDefault",
            "owner-id": "OwnerId",
            "state": "State",
            "vpc-id": "VpcId",
        },
    ),
    "DescribeSubnets": Listing(
        "Subnets",
        "SubnetIds",
        "subnet",
        {
            "availability-zone": "AvailabilityZone",
            "availabilityZone": "AvailabilityZone",
            "availability-zone-id": "AvailabilityZoneId",
            "available-ip-address-count": "AvailableIpAddressCount",
            "cidr": "CidrBlock",
            "cidr-block": "CidrBlock",
            "cidrBlock": "CidrBlock",
            "default-for-az": "DefaultForAz",
            "defaultForAz": "DefaultForAz",
            "ipv6-cidr-block-association.association-id": "Ipv6CidrBlockAssociationSet.AssociationId",
            "ipv6-cidr-block-association.ipv6-cidr-block": "Ipv6CidrBlockAssociationSet.Ipv6CidrBlock",
            "ipv6-native": "Ipv6Native",
            "map-public-ip-on-launch": "MapPublicIpOnLaunch",
            "owner-id": "OwnerId",
            "state": "State",
            "subnet-arn": "SubnetArn",
            "subnet-id": "SubnetId",
            "vpc-id": "VpcId",
        },
    ),
    "DescribeInternetGateways": Listing(
        "InternetGateways",
        "InternetGatewayIds",
        "igw",
        {
            "attachment.state": "Attachments.State",
            "attachment.vpc-id": "Attachments.VpcId",
            "internet-gateway-id": "InternetGatewayId",
            "owner-id": "OwnerId",
        },
    ),
    "DescribeNatGateways": Listing(
        "NatGateways",
        "NatGatewayIds",
        "nat",
        {
            "nat-gateway-id": "NatGatewayId",
            "state": "State",
            "subnet-id": "SubnetId",
            "vpc-id": "VpcId",
        },
    ),
    "DescribeAddresses": Listing(
        "Addresses",
        "AllocationIds",
        "eipalloc",
        {
            "allocation-id": "AllocationId",
            "association-id": "AssociationId",
            "domain": "Domain",
            "instance-id": "InstanceId",
            "network-border-group": "NetworkBorderGroup",
            "network-interface-id": "NetworkInterfaceId",
            "network-interface-owner-id": "NetworkInterfaceOwnerId",
            "private-ip-address": "PrivateIpAddress",
            "public-ip": "PublicIp",
        },
    ),
    "DescribeRouteTables": Listing(
        "RouteTables",
        "RouteTableIds",
        "rtb",
        {
            "association.gateway-id": "Associations.GatewayId",
            "association.main": "Associations.Main",
            "association.route-table-association-id": "Associations.RouteTableAssociationId",
            "association.route-table-id": "Associations.RouteTableId",
            "association.subnet-id": "Associations.SubnetId",
            "owner-id": "OwnerId",
            "route-table-id": "RouteTableId",
            "route.destination-cidr-block": "Routes.DestinationCidrBlock",
            "route.destination-ipv6-cidr-block": "Routes.DestinationIpv6CidrBlock",
            "route.destination-prefix-list-id": "Routes.DestinationPrefixListId",
            "route.gateway-id": "Routes.GatewayId",
            "route.instance-id": "Routes.InstanceId",
            "route.nat-gateway-id": "Routes.NatGatewayId",
            "route.origin": "Routes.Origin",
            "route.state": "Routes.State",
            "vpc-id": "VpcId",
        },
    ),
    "DescribeSecurityGroups": Listing(
        "SecurityGroups",
        "GroupIds",
        "sg",
        {
            **_permissions("ip-permission", "IpPermissions"),
            **_permissions("egress.ip-permission", "IpPermissionsEgress"),
            "description": "Description",
            "group-id": "GroupId",
            "group-name": "GroupName",
            "owner-id": "OwnerId",
            "vpc-id": "VpcId",
        },
    ),
    "DescribeSecurityGroupRules": Listing(
        "SecurityGroupRules",
        "SecurityGroupRuleIds",
        "sgr",
        {"group-id": "GroupId", "security-group-rule-id": "SecurityGroupRuleId"},
    ),
    "DescribeNetworkInterfaces": Listing(
        "NetworkInterfaces",
        "NetworkInterfaceIds",
        "eni",
        {
            "addresses.association.public-ip": "PrivateIpAddresses.Association.PublicIp",
            "addresses.primary": "PrivateIpAddresses.Primary",
            "addresses.private-ip-address": "PrivateIpAddresses.PrivateIpAddress",
            "association.allocation-id": "Association.AllocationId",
            "association.association-id": "Association.AssociationId",
            "association.ip-owner-id": "Association.IpOwnerId",
            "association.public-dns-name": "Association.PublicDnsName",
            "association.public-ip": "Association.PublicIp",
            "attachment.attachment-id": "Attachment.AttachmentId",
            "attachment.delete-on-termination": "Attachment.DeleteOnTermination",
            "attachment.device-index": "Attachment.DeviceIndex",
            "attachment.instance-id": "Attachment.InstanceId",
            "attachment.instance-owner-id": "Attachment.InstanceOwnerId",
            "attachment.status": "Attachment.Status",
            "availability-zone": "AvailabilityZone",
            "description": "Description",
            "group-id": "Groups.GroupId",
            "group-name": "Groups.GroupName",
            "interface-type": "InterfaceType",
            "ipv6-addresses.ipv6-address": "Ipv6Addresses.Ipv6Address",
            "mac-address": "MacAddress",
            "network-interface-id": "NetworkInterfaceId",
            "owner-id": "OwnerId",
            "private-dns-name": "PrivateDnsName",
            "private-ip-address": "PrivateIpAddress",
            "requester-id": "RequesterId",
            "requester-managed": "RequesterManaged",
            "source-dest-check": "SourceDestCheck",
            "status": "Status",
            "subnet-id": "SubnetId",
            "vpc-id": "VpcId",
        },
        pages_with_ids=False,
        tags="TagSet",
    ),
    "DescribeVpcEndpoints": Listing(
        "VpcEndpoints",
        "VpcEndpointIds",
        "vpce",
        {
            "ip-address-type": "IpAddressType",
            "service-name": "ServiceName",
            "vpc-endpoint-id": "VpcEndpointId",
            "vpc-endpoint-state": "State",
            "vpc-endpoint-type": "VpcEndpointType",
            "vpc-id": "VpcId",
        },
    ),
    "DescribeNetworkAcls": Listing(
        "NetworkAcls",
        "NetworkAclIds",
        "acl",
        {
            "association.association-id": "Associations.NetworkAclAssociationId",
            "association.network-acl-id": "Associations.NetworkAclId",
            "association.subnet-id": "Associations.SubnetId",
            "default": "IsDefault",
            "entry.cidr": "Entries.CidrBlock",
            "entry.egress": "Entries.Egress",
            "entry.protocol": "Entries.Protocol",
            "entry.rule-action": "Entries.RuleAction",
            "entry.rule-number": "Entries.RuleNumber",
            "network-acl-id": "NetworkAclId",
            "owner-id": "OwnerId",
            "vpc-id": "VpcId",
        },
    ),
    "DescribeTags": Listing(
        "Tags",
        "",
        "",
        {
            "key": "Key",
            "resource-id": "ResourceId",
            "resource-type": "ResourceType",
            "value": "Value",
        },
    ),
    "DescribeAvailabilityZones": Listing(
        "AvailabilityZones",
        "",
        "",
        {
            "group-name": "GroupName",
            "opt-in-status": "OptInStatus",
            "region-name": "RegionName",
            "state": "State",
            "zone-id": "ZoneId",
            "zone-name": "ZoneName",
            "zone-type": "ZoneType",
        },
        tags="",
    ),
    "DescribeRegions": Listing(
        "Regions",
        "",
        "",
        {"endpoint": "Endpoint", "opt-in-status": "OptInStatus", "region-name": "RegionName"},
        tags="",
    ),
    "DescribePrefixLists": Listing(
        "PrefixLists", "", "", {"prefix-list-id": "PrefixListId", "prefix-list-name": "PrefixListName"}, tags=""
    ),
}


def listing(world: "World", call: Call) -> Answer:
    """Return what there is, of the ids and by the filters asked for.

    Raises:
        Refused: An id is not there, a filter is not known, or pages were asked for together with ids.
    """
    told = LISTINGS[call.operation]
    ids = call.params.get(told.ids) or []
    if ids and call.params.get("MaxResults") and not told.pages_with_ids:
        text = f"The parameter {told.ids} cannot be used with the parameter MaxResults"
        raise Refused("InvalidParameterCombination", text)
    for wanted in ids:
        of_kind(world.backend(call), told.prefix, wanted)
    once = {told.ids: list(dict.fromkeys(ids))} if ids else {}
    found = world.moto(call, Filters=None, Filter=None, **once)
    mend = MENDS.get(call.operation, _as_it_is)
    found[told.key] = _chosen(call, told, [mend(world, call, item) for item in found.get(told.key, [])])
    return found


def _chosen(call: Call, told: Listing, items: list[Answer]) -> list[Answer]:
    filters = call.params.get("Filters") or call.params.get("Filter") or []
    for wanted in filters:
        if "Name" not in wanted or (wanted["Name"].startswith("tag") and not told.tags):
            raise Refused("InvalidParameterValue", f"The filter '{wanted.get('Name', 'null')}' is invalid")
    itself = call.operation == "DescribeTags"
    looked_at = [{**item, "Tags": [item] if itself else item.get(told.tags, []), "The item": item} for item in items]
    return [found["The item"] for found in chosen(replace(call, params={"Filters": filters}), looked_at, told.paths)]


def described(world: "World", call: Call, operation: str, wanted: str) -> Answer:
    """Return how another operation's listing tells the one thing of this id, to the same caller."""
    told = LISTINGS[operation]
    found = world.moto(replace(call, operation=operation, params={}), **{told.ids: [wanted]})
    item: Answer = MENDS.get(operation, _as_it_is)(world, call, found[told.key][0])
    return item


def _as_it_is(_world: "World", _: Call, item: Answer) -> Answer:
    return item


def _tag_as_aws(_world: "World", _: Call, tag: Answer) -> Answer:
    names = {"nat-gateway": "natgateway", "vpc-elastic-ip": "elastic-ip", "managed-prefix-list": "prefix-list"}
    tag["ResourceType"] = names.get(tag["ResourceType"], tag["ResourceType"])
    return tag


MENDS: dict[str, Callable[["World", Call, Answer], Answer]] = {"DescribeTags": _tag_as_aws}
"""What puts each described item right, before filters look at it; rules of other files add theirs."""

for _operation in LISTINGS:
    answer("ec2", _operation)(listing)
