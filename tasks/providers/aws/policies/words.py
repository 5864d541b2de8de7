"""The words that rights are written in: kinds of things with their ARNs, conditions with their keys."""

ROLE_PREFIX = "groundwork-"
"""How the role that we assume is called at first, and everything that we name in IAM, S3 and KMS."""

NODE_PREFIX = "groundwork-node"
"""How the nodes' roles and instance profiles are called at first. The role that we assume has another name, so it
cannot give itself rights."""

PARAMETERS = "groundwork"
"""The first part of the name of every SSM parameter and log group of ours, after the slash."""

TAG = "groundwork:installation"
"""The tag that everything of ours bears from its first moment on."""

THINGS = {
    "*": "*",
    **{
        # No account: a shared subnet belongs to another one.
        kind: f"arn:*:ec2:*:*:{kind}/*"
        for kind in (
            "elastic-ip",
            "instance",
            "internet-gateway",
            "key-pair",
            "natgateway",
            "network-interface",
            "placement-group",
            "route-table",
            "security-group",
            "security-group-rule",
            "subnet",
            "volume",
            "vpc",
            "vpc-endpoint",
        )
    },
    "image": "arn:*:ec2:*::image/*",
    "snapshot": "arn:*:ec2:*::snapshot/*",
    "file-system": "arn:*:elasticfilesystem:*:{account_id}:file-system/*",
    "role": "arn:*:iam::*:role/*",
    "node-role": f"arn:*:iam::{{account_id}}:role/{NODE_PREFIX}*",
    "node-profile": f"arn:*:iam::{{account_id}}:instance-profile/{NODE_PREFIX}*",
    "given-role": "arn:*:iam::{account_id}:role/{instance_profile}",
    "given-profile": "arn:*:iam::{account_id}:instance-profile/{instance_profile}",
    "own-role": f"arn:*:iam::{{account_id}}:role/{ROLE_PREFIX}*",
    "own-user": f"arn:*:iam::{{account_id}}:user/{ROLE_PREFIX}*",
    "platform-role": f"arn:*:iam::{{account_id}}:role/{ROLE_PREFIX}platform*",
    "spot-service": "arn:*:iam::{account_id}:role/aws-service-role/spot.amazonaws.com/*",
    "efs-service": "arn:*:iam::{account_id}:role/aws-service-role/elasticfilesystem.amazonaws.com/*",
    "key": "arn:*:kms:*:{account_id}:key/*",
    "key-alias": f"arn:*:kms:*:{{account_id}}:alias/{ROLE_PREFIX}*",
    "bucket": f"arn:*:s3:::{ROLE_PREFIX}*",
    "object": f"arn:*:s3:::{ROLE_PREFIX}*/*",
    # A job's source lies in whatever bucket the user has.
    "any-bucket": "arn:*:s3:::*",
    "any-object": "arn:*:s3:::*/*",
    "job-object": f"arn:*:s3:::{ROLE_PREFIX}*/jobs/*",
    "parameter": f"arn:*:ssm:*:{{account_id}}:parameter/{PARAMETERS}/*",
    "log-group": f"arn:*:logs:*:{{account_id}}:log-group:/{PARAMETERS}/*",
    "stack": f"arn:*:cloudformation:*:{{account_id}}:stack/{ROLE_PREFIX}*/*",
    "platform-stack": "arn:*:cloudformation:*:{account_id}:stack/aws-mlops-accelerator-stack/*",
    "product": "arn:*:catalog:*:{account_id}:product/*",
    "pipeline": "arn:*:codepipeline:*:{account_id}:*_pipeline",
    "approval": "arn:*:codepipeline:*:{account_id}:*_pipeline/*/*",
    "sagemaker-app": "arn:*:sagemaker:*:{account_id}:app/*/*/*/*",
    "sagemaker-domain": "arn:*:sagemaker:*:{account_id}:domain/*",
    "sagemaker-project": "arn:*:sagemaker:*:{account_id}:project/*",
    "sagemaker-space": "arn:*:sagemaker:*:{account_id}:space/*/*",
    "sagemaker-user-profile": "arn:*:sagemaker:*:{account_id}:user-profile/*/*",
}
"""The ARN of each kind of thing. A partition is not told: the same policies serve China and GovCloud."""

Condition = dict[str, dict[str, str | list[str]]]

CONDITIONS: dict[str, Condition] = {
    "new": {"StringLike": {f"aws:RequestTag/{TAG}": "{installation}"}},
    "ours": {"StringLike": {f"aws:ResourceTag/{TAG}": "{installation}"}},
    "in the network": {"ArnLike": {"ec2:Vpc": "arn:*:ec2:*:*:vpc/{vpc_id}"}},
    "with the profile": {
        "ArnLike": {"ec2:InstanceProfile": "arn:*:iam::{account_id}:instance-profile/{instance_profile}"}
    },
    "full price": {"StringEqualsIfExists": {"ec2:InstanceMarketType": "on-demand"}},
    "spot price": {"StringEquals": {"ec2:InstanceMarketType": "spot"}},
    "for nodes": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
    "for stacks": {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}},
    "spot service": {"StringEquals": {"iam:AWSServiceName": "spot.amazonaws.com"}},
    "efs service": {"StringEquals": {"iam:AWSServiceName": "elasticfilesystem.amazonaws.com"}},
    # EFS makes and removes the interfaces of mount targets in our name; we never touch one ourselves.
    "by a service": {"Bool": {"aws:ViaAWSService": "true"}},
    # KMS tells of a tag at creation nothing that a tag on an old key does not have, but old keys in use have names.
    "nameless": {"Null": {"kms:ResourceAliases": "true"}},
    "for disks": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    "new file system": {"StringEquals": {"elasticfilesystem:CreateAction": "CreateFileSystem"}},
    "new project": {"StringEquals": {"sagemaker:TaggingAction": "CreateProject"}},
    "our launches": {"StringEquals": {"servicecatalog:roleLevel": "self"}},
}
