"""The least that changes something: calls without which the topology cannot be made, thing by thing.

None of them can be left out or joined with another: AWS's create calls take tags, and nothing else that is here. Of
those that could be saved by making less we made our choice: two zones need two subnets of each kind and two mount
targets; the bucket says itself what AWS does to new buckets today; head and workers have disks and tags of their own.
"""

from collections import Counter

REGION = {
    "VPC, with names of hosts": "ec2:CreateVpc ec2:ModifyVpcAttribute",
    "public subnets": "ec2:CreateSubnet ec2:CreateSubnet",
    "private subnets": "ec2:CreateSubnet ec2:CreateSubnet",
    "internet gateway": "ec2:CreateInternetGateway ec2:AttachInternetGateway",
    "elastic IP": "ec2:AllocateAddress",
    "NAT gateway": "ec2:CreateNatGateway",
    "public routes": "ec2:CreateRouteTable ec2:AssociateRouteTable ec2:AssociateRouteTable ec2:CreateRoute",
    "private routes": "ec2:CreateRouteTable ec2:AssociateRouteTable ec2:AssociateRouteTable",
    "S3 endpoint": "ec2:CreateVpcEndpoint",
    "security group of the shared files": "ec2:CreateSecurityGroup ec2:AuthorizeSecurityGroupIngress",
    "shared files": "efs:CreateFileSystem",
    "mount targets": "efs:CreateMountTarget efs:CreateMountTarget",
    "key, which rotates": "kms:CreateKey kms:EnableKeyRotation kms:CreateAlias",
    "bucket": "s3:CreateBucket s3:PutPublicAccessBlock s3:PutBucketPolicy s3:PutBucketTagging",
    "node role": "iam:CreateRole iam:PutRolePolicy",
    "instance profile": "iam:CreateInstanceProfile iam:AddRoleToInstanceProfile",
}
"""What all clusters of a region share. The private subnets' way out is not in it: it is made when nodes are of use."""

CLUSTER = {
    "SSH key in the parameter store": "ssm:PutParameter",
    "key pair": "ec2:ImportKeyPair",
    "security group": "ec2:CreateSecurityGroup ec2:AuthorizeSecurityGroupIngress",
    "placement group": "ec2:CreatePlacementGroup",
    "head": "ec2:RunInstances",
    "workers": "ec2:RunInstances",
}
"""What a cluster of more than one node has of its own."""


def calls(*things: dict[str, str]) -> Counter[str]:
    """Return how often each ``service:Operation`` is needed to make these things."""
    return Counter(call for thing in things for calls in thing.values() for call in calls.split())
