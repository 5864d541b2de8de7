"""Which rights calls need in other services than their own: EFS, disks with keys, secret parameters, spot (ACC-10)."""

from typing import Any

from tests.world.aws.identities import give, make_user, may, refusal, trust
from tests.world.aws.test_needs import HERE, launch, network
from tests.worlds.aws_world import CUSTOMER, AwsWorld

VIA_SERVICE = {"Bool": {"aws:ViaAWSService": "true"}}
FOR_KEYS = ["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext"]


def last(aws: AwsWorld, name: str) -> set[tuple[str, str]]:
    """Return the actions and resources that the last call of a name needed."""
    return {(action, resource) for action, resource in aws.calls(name)[-1]["actions"]}


def key_of_ours(aws: AwsWorld) -> str:
    """Make a KMS key with a tag; return its ARN."""
    tags = [{"TagKey": "team", "TagValue": "red"}]
    return str(aws.client("kms").create_key(Tags=tags)["KeyMetadata"]["Arn"])


def test_efs_makes_interfaces_in_our_name(aws: AwsWorld) -> None:
    """EFS API reference: a mount target needs rights in EC2; they may be bound to the way through EFS."""
    made = network(aws)
    efs = aws.client("efs")
    system = efs.create_file_system(CreationToken="t", Tags=[{"Key": "a", "Value": "b"}])["FileSystemId"]
    arn = f"arn:aws:elasticfilesystem:us-east-1:{CUSTOMER}:file-system/"
    expected = {("elasticfilesystem:CreateFileSystem", "*"), ("elasticfilesystem:TagResource", f"{arn}*")}
    assert last(aws, "efs:CreateFileSystem") == expected
    aws.advance(60)
    key = make_user(aws, CUSTOMER)
    own = aws.client("efs", **key)
    told = {"FileSystemId": system, "SubnetId": made["subnet"], "SecurityGroups": [made["group"]]}
    files = may("elasticfilesystem:*", StringEquals={"aws:ResourceTag/a": "b"})
    rights = {
        "iam:CreateServiceLinkedRole": may("iam:CreateServiceLinkedRole"),
        "ec2:DescribeSubnets": may("ec2:Describe*"),
        f"ec2:CreateNetworkInterface on resource: {HERE}subnet/": may("ec2:CreateNetworkInterface", f"{HERE}subnet/*"),
        f"ec2:CreateNetworkInterface on resource: {HERE}network-interface/*": may(
            "ec2:CreateNetworkInterface", f"{HERE}network-interface/*", **VIA_SERVICE
        ),
        f"ec2:CreateNetworkInterface on resource: {HERE}security-group/": may(
            "ec2:CreateNetworkInterface", f"{HERE}security-group/*", **VIA_SERVICE
        ),
    }
    for missing in rights:
        give(aws, files, *(statement for name, statement in rights.items() if name != missing))
        code, words = refusal(own.create_mount_target, **told)
        assert (code, missing in words) == ("AccessDeniedException", True), (missing, words)
    give(aws, files, *rights.values())
    target = own.create_mount_target(**told)["MountTargetId"]
    assert refusal(aws.client("ec2", **key).create_network_interface, SubnetId=made["subnet"])[0], "not by itself"
    aws.advance(600)
    assert aws.client("iam").get_role(RoleName="AWSServiceRoleForAmazonElasticFileSystem")["Role"]
    give(aws, files)
    assert "ec2:DeleteNetworkInterface" in refusal(own.delete_mount_target, MountTargetId=target)[1]
    give(aws, files, may("ec2:DeleteNetworkInterface", f"{HERE}network-interface/*", **VIA_SERVICE))
    assert refusal(own.delete_mount_target, MountTargetId=target) == ("", "")
    give(aws, may("elasticfilesystem:*", StringEquals={"aws:ResourceTag/a": "c"}))
    assert refusal(own.describe_mount_targets, FileSystemId=system)[0] == "AccessDeniedException"


def test_encrypted_disks_need_their_key(aws: AwsWorld) -> None:
    """Without rights on the key EC2 says yes, and the instance ends: a launch is no proof of a right policy."""
    made, key_arn = network(aws), key_of_ours(aws)
    ec2 = aws.client("ec2", **make_user(aws, CUSTOMER))
    disk = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 8, "Encrypted": True, "KmsKeyId": key_arn}}]
    asked = launch(made, BlockDeviceMappings=disk, DryRun=False)
    grant = {
        "Bool": {"kms:GrantIsForAWSResource": "true"},
        "StringEquals": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"},
    }
    everything = [may(["ec2:*", "iam:PassRole"]), may(FOR_KEYS), may("kms:CreateGrant", **grant)]

    def state(*statements: dict[str, Any]) -> str:
        give(aws, *statements)
        instance = ec2.run_instances(**asked)["Instances"][0]["InstanceId"]
        aws.advance(120)
        told = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
        return str(told["StateReason"]["Code"] if "StateReason" in told else told["State"]["Name"])

    assert state(*everything[:1]) == "Client.InternalError"
    assert state(*everything[:2]) == "Client.InternalError"
    assert state(*everything) == "running"
    assert ("kms:CreateGrant", key_arn) in last(aws, "ec2:RunInstances")


def test_an_encrypted_file_system_needs_its_key(aws: AwsWorld) -> None:
    """EFS User Guide, "Encrypting data at rest": the rights on a key of one's own."""
    key_arn = key_of_ours(aws)
    efs = aws.client("efs", **make_user(aws, CUSTOMER))
    ours = {"StringEquals": {"aws:ResourceTag/team": "red"}}
    asked = {"CreationToken": "t", "Encrypted": True, "KmsKeyId": key_arn}
    give(aws, may("elasticfilesystem:*"), may(FOR_KEYS, **ours))
    assert "kms:CreateGrant" in refusal(efs.create_file_system, **asked)[1]
    give(aws, may("elasticfilesystem:*"), may([*FOR_KEYS, "kms:CreateGrant"], **ours))
    assert refusal(efs.create_file_system, **asked) == ("", "")


def test_a_keys_names_and_tags_count(aws: AwsWorld) -> None:
    """KMS: tags at creation and aliases are rights of their own, on the key and on the alias."""
    key_arn = key_of_ours(aws)
    kms = aws.client("kms", **make_user(aws, CUSTOMER))
    tags = [{"TagKey": "team", "TagValue": "red"}]
    give(aws, may("kms:CreateKey"))
    assert "kms:TagResource" in refusal(kms.create_key, Tags=tags)[1]
    give(aws, may("kms:CreateKey"), may("kms:TagResource", StringEquals={"aws:RequestTag/team": "red"}))
    assert refusal(kms.create_key, Tags=tags) == ("", "")
    alias = {"AliasName": "alias/ours", "TargetKeyId": key_arn}
    give(aws, may("kms:CreateAlias", "arn:aws:kms:*:*:alias/ours"))
    assert "kms:CreateAlias on resource: " + key_arn in refusal(kms.create_alias, **alias)[1]
    nameless = may("kms:*", "arn:aws:kms:*:*:key/*", Null={"kms:ResourceAliases": "true"})
    give(aws, may("kms:*Alias", "arn:aws:kms:*:*:alias/*"), nameless)
    assert refusal(kms.create_alias, **alias) == ("", "")
    assert "kms:DescribeKey" in refusal(kms.describe_key, KeyId="alias/ours")[1], "it has a name now"
    assert "kms:DeleteAlias on resource: " + key_arn in refusal(kms.delete_alias, AliasName="alias/ours")[1]


def test_a_secret_parameter_needs_its_key(aws: AwsWorld) -> None:
    """SSM encrypts and decrypts with the caller's rights; tags at creation are a right of their own."""
    key_arn = key_of_ours(aws)
    ssm = aws.client("ssm", **make_user(aws, CUSTOMER))
    put = {"Name": "/ours/a", "Value": "x", "Type": "SecureString", "KeyId": key_arn}
    parameters = may(["ssm:PutParameter", "ssm:GetParameter"], f"arn:aws:ssm:*:{CUSTOMER}:parameter/ours/*")
    via = {"StringLike": {"kms:ViaService": "ssm.*.amazonaws.com"}}
    give(aws, parameters)
    assert "kms:Encrypt" in refusal(ssm.put_parameter, **put)[1]
    give(aws, parameters, may("kms:Encrypt", **via))
    assert refusal(ssm.put_parameter, **put) == ("", "")
    assert refusal(ssm.get_parameter, Name="/ours/a") == ("", "")
    assert "kms:Decrypt" in refusal(ssm.get_parameter, Name="/ours/a", WithDecryption=True)[1]
    tagged = {"Name": "/ours/b", "Value": "x", "Type": "String", "Tags": [{"Key": "a", "Value": "b"}]}
    assert "ssm:AddTagsToResource" in refusal(ssm.put_parameter, **tagged)[1]
    assert "parameter/theirs" in refusal(ssm.get_parameter, Name="/theirs")[1]


def test_the_first_spot_instance_needs_the_role_of_spot(aws: AwsWorld) -> None:
    """Each account needs it once; EC2 says so by a code of its own (public bug reports)."""
    made = network(aws)
    ec2 = aws.client("ec2", **make_user(aws, CUSTOMER))
    asked = launch(made, InstanceMarketOptions={"MarketType": "spot"}, DryRun=False)
    rights = [may("ec2:*", StringEqualsIfExists={"ec2:InstanceMarketType": "spot"}), may("iam:PassRole")]
    service = may("iam:CreateServiceLinkedRole", StringEquals={"iam:AWSServiceName": "spot.amazonaws.com"})
    give(aws, *rights)
    assert refusal(ec2.run_instances, **asked)[0] == "AuthFailure.ServiceLinkedRoleCreationNotPermitted"
    give(aws, *rights, service)
    assert refusal(ec2.run_instances, **asked) == ("", "")
    give(aws, *rights)
    assert refusal(ec2.run_instances, **asked) == ("", "")
    on_demand = {**asked, "InstanceMarketOptions": {}}
    assert refusal(ec2.run_instances, **on_demand)[0] == "UnauthorizedOperation"


def test_log_groups_with_tags(aws: AwsWorld) -> None:
    """CloudWatch Logs API reference: tags at creation need logs:TagResource."""
    logs = aws.client("logs", **make_user(aws, CUSTOMER))
    give(aws, may("logs:CreateLogGroup", f"arn:aws:logs:*:{CUSTOMER}:log-group:/ours/*"))
    assert refusal(logs.create_log_group, logGroupName="/ours/a") == ("", "")
    assert "logs:TagResource" in refusal(logs.create_log_group, logGroupName="/ours/b", tags={"a": "b"})[1]
    assert refusal(logs.create_log_group, logGroupName="/theirs")[0] == "AccessDeniedException"


def test_a_role_handed_to_a_service_must_be_allowed(aws: AwsWorld) -> None:
    """PassRole counts wherever a request names a role for a service to take."""
    role = f"arn:aws:iam::{CUSTOMER}:role/logs"
    aws.client("iam").create_role(RoleName="logs", AssumeRolePolicyDocument=trust(CUSTOMER))
    made = network(aws)
    ec2 = aws.client("ec2", **make_user(aws, CUSTOMER))
    asked = {
        "ResourceIds": [made["vpc"]], "ResourceType": "VPC", "TrafficType": "ALL", "LogGroupName": "flows",
        "DeliverLogsPermissionArn": role, "DryRun": True,
    }  # fmt: skip
    give(aws, may("ec2:*"))
    assert f"iam:PassRole on resource: {role}" in refusal(ec2.create_flow_logs, **asked)[1]


def test_a_version_is_deleted_with_both_rights(aws: AwsWorld) -> None:
    """CLN-15, S3 API reference: who deletes one version of an object needs the right to delete the object, too."""
    root, s3 = aws.client("s3"), aws.client("s3", **make_user(aws, CUSTOMER))
    root.create_bucket(Bucket="versions")
    root.put_object(Bucket="versions", Key="a", Body=b"x")
    one, every = may("s3:DeleteObject"), may("s3:DeleteObjectVersion")
    told = {"Bucket": "versions", "Key": "a", "VersionId": "null"}
    for given, missing in ((one, "s3:DeleteObjectVersion"), (every, "s3:DeleteObject")):
        give(aws, given)
        assert f"{missing} on resource" in refusal(s3.delete_object, **told)[1]
    give(aws, one, every)
    assert refusal(s3.delete_object, **told) == ("", "")
    assert last(aws, "s3:DeleteObject") == {
        (f"s3:{name}", "arn:aws:s3:::versions/a") for name in ("DeleteObject", "DeleteObjectVersion")
    }
