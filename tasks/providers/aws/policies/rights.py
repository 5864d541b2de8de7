"""What Groundwork may do in an account: one table, from which policies, the self-test and people's texts come.

A right is an IAM action on one kind of thing under conditions. Which action has which resource types and condition keys
says AWS's "Service Authorization Reference"; tests/unit/aws_actions.json holds what it says of the actions used here.

In the automated variant we make the nodes' roles, and so give them what we like: it trusts us with the account. In the
restricted variant we make no role and give nodes only the one that the user named.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blocks.aws_account import Feature, Variant


@dataclass(frozen=True)
class Right:
    """One action on one kind of thing.

    Args:
        feature: What it is needed for.
        action: As ``ec2:RunInstances``.
        thing: A key of ``THINGS``.
        when: Keys of ``CONDITIONS``; or, of a tagging, in which call it happens (``born:CreateVpc``).
    """

    feature: Feature
    action: str
    thing: str
    when: tuple[str, ...] = ()


_BOTH = tuple(Variant)
_AUTOMATED = (Variant.AUTOMATED,)
_RESTRICTED = (Variant.RESTRICTED,)

_TABLE: tuple[tuple[Feature, tuple[Variant, ...], str, str], ...] = (
    # ---------------------------------------------------------------------------------------------------- clusters
    (
        Feature.CLUSTERS,
        _BOTH,
        "",
        """
        ec2:DescribeAddresses DescribeAvailabilityZones DescribeImages DescribeInstanceTypeOfferings *
        ec2:DescribeInstanceTypes DescribeInstances DescribeInternetGateways DescribeKeyPairs DescribeNatGateways *
        ec2:DescribeNetworkAcls DescribeNetworkInterfaces DescribePlacementGroups DescribeRegions *
        ec2:DescribeRouteTables DescribeSecurityGroups DescribeSubnets DescribeVolumes DescribeVpcEndpoints *
        ec2:DescribeVpcs *
        pricing:GetProducts *
        servicequotas:GetAWSDefaultServiceQuota GetServiceQuota *
        ssm:DescribeParameters *
        sts:DecodeAuthorizationMessage *
        tag:GetResources *
        ec2:DescribeVpcAttribute : vpc
        ec2:RunInstances : image key-pair placement-group snapshot
        iam:SimulatePrincipalPolicy : own-role own-user
        ssm:AddTagsToResource DeleteParameter GetParameter PutParameter : parameter
        """,
    ),
    (
        Feature.CLUSTERS,
        _BOTH,
        "new",
        """
        ec2:CreatePlacementGroup : placement-group
        ec2:ImportKeyPair : key-pair
        ec2:RunInstances : volume
        """,
    ),
    (
        Feature.CLUSTERS,
        _BOTH,
        "ours",
        """
        ec2:CreateTags : instance key-pair placement-group volume
        ec2:DeleteKeyPair : key-pair
        ec2:DeletePlacementGroup : placement-group
        """,
    ),
    (
        Feature.CLUSTERS,
        _AUTOMATED,
        "",
        """
        ec2:AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress : security-group-rule
        ec2:CreateSecurityGroup : vpc
        ec2:RunInstances : security-group subnet
        iam:GetInstanceProfile : node-profile
        iam:GetRole ListRolePolicies : node-role
        kms:CreateAlias DeleteAlias : key-alias
        kms:ListAliases *
        s3:CreateBucket DeleteBucket GetBucketLocation GetBucketTagging ListBucket ListBucketVersions : bucket
        s3:PutBucketPolicy PutBucketPublicAccessBlock PutBucketTagging : bucket
        s3:DeleteObject DeleteObjectVersion : object
        """,
    ),
    (Feature.CLUSTERS, _AUTOMATED, "new, full price", "ec2:RunInstances : instance"),
    (
        Feature.CLUSTERS,
        _AUTOMATED,
        "new",
        """
        ec2:CreateSecurityGroup : security-group
        ec2:RunInstances : network-interface
        iam:CreateInstanceProfile TagInstanceProfile : node-profile
        iam:CreateRole TagRole : node-role
        kms:CreateKey *
        """,
    ),
    (Feature.CLUSTERS, _AUTOMATED, "new, nameless", "kms:TagResource : key"),
    (
        Feature.CLUSTERS,
        _AUTOMATED,
        "ours",
        """
        ec2:AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateTags DeleteSecurityGroup : security-group
        ec2:StartInstances StopInstances TerminateInstances : instance
        iam:AddRoleToInstanceProfile DeleteInstanceProfile RemoveRoleFromInstanceProfile : node-profile
        iam:DeleteRole DeleteRolePolicy PutRolePolicy : node-role
        kms:CreateAlias Decrypt DeleteAlias DescribeKey EnableKeyRotation Encrypt : key
        kms:GenerateDataKeyWithoutPlaintext ScheduleKeyDeletion : key
        """,
    ),
    (Feature.CLUSTERS, _AUTOMATED, "ours, for disks", "kms:CreateGrant : key"),
    (Feature.CLUSTERS, _AUTOMATED, "for nodes", "iam:PassRole : node-role"),
    (Feature.CLUSTERS, _RESTRICTED, "", "iam:GetInstanceProfile : given-profile"),
    (Feature.CLUSTERS, _RESTRICTED, "for nodes", "iam:PassRole : given-role"),
    (Feature.CLUSTERS, _RESTRICTED, "new, full price, with the profile", "ec2:RunInstances : instance"),
    (Feature.CLUSTERS, _RESTRICTED, "new, in the network", "ec2:RunInstances : network-interface"),
    (Feature.CLUSTERS, _RESTRICTED, "in the network", "ec2:RunInstances : security-group subnet"),
    (
        Feature.CLUSTERS,
        _RESTRICTED,
        "ours, with the profile",
        "ec2:StartInstances StopInstances TerminateInstances : instance",
    ),
    # ---------------------------------------------------------------------------------------------------- networks
    (
        Feature.NETWORKS,
        _AUTOMATED,
        "new",
        """
        ec2:AllocateAddress : elastic-ip
        ec2:CreateInternetGateway : internet-gateway
        ec2:CreateNatGateway : natgateway
        ec2:CreateRouteTable : route-table
        ec2:CreateSubnet : subnet
        ec2:CreateVpc : vpc
        ec2:CreateVpcEndpoint : vpc-endpoint
        """,
    ),
    (
        Feature.NETWORKS,
        _AUTOMATED,
        "ours",
        """
        ec2:AssociateRouteTable : route-table subnet
        ec2:AttachInternetGateway DetachInternetGateway : internet-gateway vpc
        ec2:CreateNatGateway : elastic-ip subnet
        ec2:CreateRoute DeleteRoute DeleteRouteTable : route-table
        ec2:CreateRouteTable CreateSubnet DeleteVpc ModifyVpcAttribute : vpc
        ec2:CreateTags : elastic-ip internet-gateway natgateway route-table subnet vpc vpc-endpoint
        ec2:CreateVpcEndpoint : route-table vpc
        ec2:DeleteInternetGateway : internet-gateway
        ec2:DeleteNatGateway : natgateway
        ec2:DeleteSubnet : subnet
        ec2:DeleteVpcEndpoints : vpc-endpoint
        ec2:ReleaseAddress : elastic-ip
        """,
    ),
    # ------------------------------------------------------------------------------------------------------ backup
    (Feature.BACKUP, _BOTH, "", "ec2:DescribeSnapshots *"),
    (Feature.BACKUP, _BOTH, "new", "ec2:CreateSnapshot : snapshot\nec2:RegisterImage : image"),
    (
        Feature.BACKUP,
        _BOTH,
        "ours",
        """
        ec2:CreateSnapshot : volume
        ec2:DeleteSnapshot RegisterImage : snapshot
        ec2:DeregisterImage : image
        """,
    ),
    (
        Feature.BACKUP,
        _AUTOMATED,
        "",
        "s3:GetBucketVersioning GetLifecycleConfiguration PutBucketVersioning PutLifecycleConfiguration : bucket",
    ),
    # ------------------------------------------------------------------------------------------------------- ports
    (Feature.PORTS, _BOTH, "", "ec2:DescribeSecurityGroupRules *"),
    (Feature.PORTS, _BOTH, "", "ec2:AuthorizeSecurityGroupIngress : security-group-rule"),
    (
        Feature.PORTS,
        _AUTOMATED,
        "ours",
        "ec2:AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress : security-group",
    ),
    (
        Feature.PORTS,
        _RESTRICTED,
        "in the network",
        "ec2:AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress : security-group",
    ),
    # ------------------------------------------------------------------------------------------------------ resize
    (Feature.RESIZE, _AUTOMATED, "ours", "ec2:ModifyInstanceAttribute : instance"),
    (Feature.RESIZE, _RESTRICTED, "ours, with the profile", "ec2:ModifyInstanceAttribute : instance"),
    # --------------------------------------------------------------------------------------------------------- efs
    (Feature.EFS, _BOTH, "", "elasticfilesystem:DescribeFileSystems DescribeMountTargets : file-system"),
    (Feature.EFS, _BOTH, "new", "elasticfilesystem:CreateFileSystem *"),
    (Feature.EFS, _BOTH, "new file system", "elasticfilesystem:TagResource : file-system"),
    (
        Feature.EFS,
        _BOTH,
        "ours",
        "elasticfilesystem:CreateMountTarget DeleteFileSystem DeleteMountTarget : file-system",
    ),
    (
        Feature.EFS,
        _BOTH,
        "by a service",
        """
        ec2:CreateNetworkInterface : network-interface security-group subnet
        ec2:DeleteNetworkInterface : network-interface
        """,
    ),
    (Feature.EFS, _BOTH, "efs service", "iam:CreateServiceLinkedRole : efs-service"),
    # -------------------------------------------------------------------------------------------------------- logs
    (
        Feature.LOGS,
        _BOTH,
        "",
        "logs:CreateLogGroup DeleteLogGroup FilterLogEvents PutRetentionPolicy TagResource : log-group",
    ),
    (Feature.LOGS, _BOTH, "", "logs:DescribeLogGroups *"),
    # -------------------------------------------------------------------------------------------------------- jobs
    (
        Feature.JOBS,
        _BOTH,
        "",
        """
        s3:GetBucketLocation ListBucket : any-bucket
        s3:GetObject : any-object
        s3:AbortMultipartUpload DeleteObject PutObject : job-object
        s3:ListBucketMultipartUploads : bucket
        """,
    ),
    # -------------------------------------------------------------------------------------------------------- spot
    (Feature.SPOT, _BOTH, "spot service", "iam:CreateServiceLinkedRole : spot-service"),
    (Feature.SPOT, _AUTOMATED, "new, spot price", "ec2:RunInstances : instance"),
    (Feature.SPOT, _RESTRICTED, "new, spot price, with the profile", "ec2:RunInstances : instance"),
    # --------------------------------------------------------------------------------------------------- sagemaker
    (
        Feature.SAGEMAKER,
        _BOTH,
        "",
        """
        sagemaker:DisableSagemakerServicecatalogPortfolio EnableSagemakerServicecatalogPortfolio *
        sagemaker:GetSagemakerServicecatalogPortfolioStatus ListApps ListDomains ListProjects ListSpaces *
        sagemaker:ListUserProfiles *
        servicecatalog:SearchProducts *
        cloudformation:CreateStack DeleteStack DescribeStackEvents DescribeStacks UpdateStack : stack platform-stack
        codepipeline:GetPipelineState ListPipelineExecutions StartPipelineExecution : pipeline
        codepipeline:PutApprovalResult : approval
        sagemaker:DescribeDomain : sagemaker-domain
        sagemaker:DescribeProject : sagemaker-project
        sagemaker:CreatePresignedDomainUrl DescribeUserProfile : sagemaker-user-profile
        servicecatalog:ListLaunchPaths ProvisionProduct : product
        """,
    ),
    (Feature.SAGEMAKER, _BOTH, "for stacks", "iam:PassRole : platform-role"),
    (
        Feature.SAGEMAKER,
        _BOTH,
        "our launches",
        "servicecatalog:DescribeProvisionedProduct DescribeRecord TerminateProvisionedProduct *",
    ),
    (Feature.SAGEMAKER, _BOTH, "new", "sagemaker:CreateProject : sagemaker-project"),
    (Feature.SAGEMAKER, _BOTH, "new, new project", "sagemaker:AddTags : sagemaker-project"),
    (
        Feature.SAGEMAKER,
        _BOTH,
        "ours",
        """
        sagemaker:DeleteApp : sagemaker-app
        sagemaker:DeleteDomain : sagemaker-domain
        sagemaker:DeleteProject : sagemaker-project
        sagemaker:DeleteSpace : sagemaker-space
        sagemaker:DeleteUserProfile : sagemaker-user-profile
        """,
    ),
)
"""Feature, variants, conditions, and lines of ``service:Action Action : thing thing`` (``*``: AWS knows no things)."""


def rights_of(variant: Variant, feature: Feature) -> list[Right]:
    """Return what a feature needs, with the taggings in which things of ours are born."""
    rows = [(when, lines) for of, variants, when, lines in _TABLE if of is feature and variant in variants]
    return rights_in(feature, rows)


def rights_in(feature: Feature, rows: Iterable[tuple[str, str]]) -> list[Right]:
    """Return what rows of conditions and lines say, with the taggings in which things of ours are born."""
    found = [
        Right(feature, action, thing, tuple(when.split(", ")) if when else ())
        for when, lines in rows
        for action, thing in _read(lines)
    ]
    return [*found, *_births(found)]


def _read(lines: str) -> Iterator[tuple[str, str]]:
    for line in filter(None, map(str.strip, lines.splitlines())):
        left, _, things = line.removesuffix("*").partition(" : ")
        service, _, actions = left.partition(":")
        yield from ((f"{service}:{action}", thing) for action in actions.split() for thing in things.split() or ["*"])


def _births(found: list[Right]) -> Iterator[Right]:
    """EC2 asks for CreateTags too where a thing is made with tags; ``ec2:CreateAction`` tells that apart from later."""
    for right in found:
        service, _, action = right.action.partition(":")
        if service == "ec2" and "new" in right.when:
            yield Right(right.feature, "ec2:CreateTags", right.thing, (f"born:{action}",))
