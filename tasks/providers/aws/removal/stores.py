"""What the other services say is there: files, parameters, keys, the nodes' role, the bucket.

States: "DescribeFileSystems" and "DescribeMountTargets" in the Amazon EFS API Reference; "Key states of AWS KMS keys"
in the AWS KMS Developer Guide: a key that is pending deletion is as good as gone, and costs nothing.
"""

from botocore.exceptions import ClientError

from blocks.errors import AccessDenied, NotFound
from tasks.providers.aws.policies import TAG
from tasks.providers.aws.refusals import code_of, translated
from tasks.providers.aws.removal.things import Area, Kind, Thing, cluster_of, tags_of

_GIB = 1024**3
_GIVEN_UP = ("PendingDeletion", "PendingReplicaDeletion")


def files(area: Area) -> list[Thing]:
    """Return the region's file systems, foreign ones too, and the mount targets of ours.

    Whoever made a mount target, it is a part of its file system, bears no tags, and goes with it.
    """
    if not area.has_files:
        return []
    efs, found = area.session.client("efs", area.region), []
    with translated(f"file systems in {area.region}"):
        for page in efs.get_paginator("describe_file_systems").paginate():
            for told in page["FileSystems"]:
                tags = tags_of(told)
                system = Thing(
                    Kind.FILE_SYSTEM,
                    told["FileSystemId"],
                    standing=area.standing(tags),
                    name=tags.get("Name", ""),
                    cluster=cluster_of(tags),
                    state=told["LifeCycleState"],
                    gib=told["SizeInBytes"]["Value"] / _GIB,
                )
                if system.state != "deleted":
                    found.append(system)
                    found += mount_targets(area, system) if system.standing == "ours" else []
    return found


def mount_targets(area: Area, system: Thing) -> list[Thing]:
    """Return the mount targets of a file system; none when it is gone meanwhile."""
    efs = area.session.client("efs", area.region)
    try:
        pages = list(efs.get_paginator("describe_mount_targets").paginate(FileSystemId=system.id))
    except ClientError as error:
        if code_of(error) == "FileSystemNotFound":
            return []
        raise
    return [
        Thing(Kind.MOUNT_TARGET, told["MountTargetId"], state=told["LifeCycleState"], cluster=system.cluster)
        for page in pages
        for told in page["MountTargets"]
        if told["LifeCycleState"] != "deleted"
    ]


def parameters(area: Area) -> list[Thing]:
    """Return our SSM parameters by their names, never their values."""
    ssm, found = area.session.client("ssm", area.region), []
    with translated(f"SSM parameters in {area.region}"):
        pages = ssm.get_paginator("describe_parameters").paginate(
            ParameterFilters=[{"Key": "Path", "Option": "Recursive", "Values": [area.parameters]}]
        )
        for page in pages:
            for told in page["Parameters"]:
                words = told["Name"].removeprefix(f"{area.parameters}/").split("/")
                cluster = words[1] if words[0] == "clusters" and len(words) > 1 else ""
                found.append(Thing(Kind.PARAMETER, told["Name"], cluster=cluster))
    return found


def keys(area: Area) -> list[Thing]:
    """Return the region's KMS keys that are in use, by our tag and by their alias, and the alias."""
    index = area.session.client("resourcegroupstaggingapi", area.region)
    with translated(f"KMS keys in {area.region}"):
        pages = index.get_paginator("get_resources").paginate(
            TagFilters=[{"Key": TAG, "Values": [area.installation]}], ResourceTypeFilters=["kms:key"]
        )
        arns = [told["ResourceARN"] for page in pages for told in page["ResourceTagMappingList"]]
        aliases = _aliases(area) if area.makes_networks else []
    found = [key for arn in arns for key in key_of(area, arn)]
    for alias, target in aliases:
        try:
            found += key_of(area, target)
            found.append(Thing(Kind.ALIAS, alias))
        except AccessDenied:
            # Somebody gave our alias to another key: the policies let us look at ours only.
            found.append(Thing(Kind.ALIAS, alias, standing="nameless"))
    return list({thing.key: thing for thing in found}.values())


def _aliases(area: Area) -> list[tuple[str, str]]:
    """Return our alias and its key's ARN, where it is there.

    All are listed: DescribeKey of an alias that is not there is refused like that of a foreign key.
    """
    pages = area.session.client("kms", area.region).get_paginator("list_aliases").paginate()
    return [
        (told["AliasName"], told["AliasArn"].rpartition(":")[0] + f":key/{told['TargetKeyId']}")
        for page in pages
        for told in page["Aliases"]
        if told["AliasName"] == area.alias and "TargetKeyId" in told
    ]


def key_of(area: Area, arn: str) -> list[Thing]:
    """Return the key with this ARN: one, or none where it is gone or given up."""
    try:
        with translated(f"KMS key {arn}"):
            told = area.session.client("kms", area.region).describe_key(KeyId=arn)["KeyMetadata"]
    except NotFound:
        return []
    return [] if told["KeyState"] in _GIVEN_UP else [Thing(Kind.KEY, told["Arn"], state=told["KeyState"])]


def identities(area: Area) -> list[Thing]:
    """Return the nodes' instance profile and their role, which are IAM's and so have the region in their names."""
    if not area.makes_networks:
        return []
    iam, found = area.session.client("iam"), []
    with translated(f"role {area.node_role}"):
        try:
            profile = iam.get_instance_profile(InstanceProfileName=area.node_role)["InstanceProfile"]
            standing = area.standing(tags_of(profile), area.node_role)
            found.append(Thing(Kind.PROFILE, area.node_role, standing=standing))
        except iam.exceptions.NoSuchEntityException:
            pass
        try:
            role = iam.get_role(RoleName=area.node_role)["Role"]
            found.append(Thing(Kind.ROLE, area.node_role, standing=area.standing(tags_of(role), area.node_role)))
        except iam.exceptions.NoSuchEntityException:
            pass
    return found


def buckets(area: Area) -> list[Thing]:
    """Return the region's bucket. Its name has our installation and the account in it, so no other is meant."""
    if not area.makes_networks:
        return []
    try:
        with translated(f"bucket {area.bucket}"):
            area.session.client("s3", area.region).get_bucket_location(Bucket=area.bucket)
    except NotFound:
        return []
    return [Thing(Kind.BUCKET, area.bucket)]
