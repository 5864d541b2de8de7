"""Making a cluster in an AWS account."""

from blocks.aws_account import AwsAccount
from blocks.aws_cluster import (
    Architecture,
    AutoShutdown,
    AwsClusterSpec,
    BucketOrNone,
    Cidrs,
    Description,
    DiskSize,
    FamilyOrNone,
    GroupIdOrNone,
    HeadDiskSize,
    IgnoredDoubts,
    ImageVersion,
    NodeType,
    NodeTypeOrNone,
    OnFailure,
    RegionOrNone,
    RetentionDays,
    Service,
    Services,
    SshPublicKeys,
    SubnetIdOrNone,
    Tags,
    UserManagement,
    ZoneOrNone,
)
from blocks.cluster import Cluster, State
from blocks.cluster_spec import InitScript, InitScriptMinutes, InitScriptRuns
from blocks.jump_host import JumpHost
from blocks.names import InstanceProfileOrNone, Name, NodeCount, SlotCount, VpcIdOrNone
from tasks.aws_cluster_plan import ask_choices, name_of, plan_cluster, wishes
from tasks.clusters import (
    claim_name,
    enter_nodes,
    launch_nodes,
    make_ready,
    mark,
    prepare_ground,
    verify_nodes,
)
from tasks.entry import entered
from tasks.grounds import finish_ground, lay_ground
from tasks.protection import counting_failures
from tasks.providers.accounts import account_of
from tasks.providers.aws.region.ground import RegionGround
from tasks.records import one_writer
from tasks.steps import sentence
from tasks.telling import note
from tasks.telling_plans import show_choices, show_plan
from tasks.undoing import undoing


@sentence(name="create-aws-cluster", run_name="create-{name}")
def create_aws_cluster(
    name: Name,
    account: AwsAccount,
    node_count: NodeCount = 4,
    *,
    region: RegionOrNone = "",
    node_type: NodeType = "c5.xlarge",
    head_type: NodeTypeOrNone = "",
    node_disk_gib: DiskSize = 100,
    head_disk_gib: HeadDiskSize = 512,
    efa: bool = False,
    spot: bool = False,
    image_version: ImageVersion = "",
    auto_shutdown: AutoShutdown = "never",
    ssh_public_keys: SshPublicKeys = (),
    allowed_addresses: Cidrs = (),
    services: Services = (Service.UI,),
    slots_per_node: SlotCount = 0,
    zone: ZoneOrNone = "",
    vpc_id: VpcIdOrNone = "",
    subnet_id: SubnetIdOrNone = "",
    security_group_id: GroupIdOrNone = "",
    public_addresses: bool = False,
    jump_host: JumpHost | None = None,
    instance_profile: InstanceProfileOrNone = "",
    bucket: BucketOrNone = "",
    backup_retention_days: RetentionDays = 0,
    user_management: UserManagement = UserManagement.DISABLED,
    tags: Tags = {},  # noqa: B006
    description: Description = "",
    init_script: InitScript = "",
    init_script_runs: InitScriptRuns = InitScriptRuns.LAST,
    init_script_minutes: InitScriptMinutes = 10,
    on_failure: OnFailure = OnFailure.REMOVE,
    minimum_nodes: NodeCount = 1,
    ignore_warnings: IgnoredDoubts = (),
    dry_run: bool = False,
) -> None:
    """Make an MPI cluster of nodes in an AWS account.

    First the plan: what is made, what its nodes cost, which quotas and permissions it needs, what stands in its way; it
    is an artifact of this run. Then the region's network, shared files, key and bucket, where they are missing, and the
    cluster. Run it again after a crash: it goes on where it ended.

    Args:
        name: The cluster's name: small letters, digits and dashes, 32 at most.
        account: The account, as onboard-aws-account connected it.
        node_count: How many nodes, the head among them.
        region: Where, as us-east-1. Empty: the account's default region.
        node_type: The type of the nodes; show-aws-choices lists those that the account is offered.
        head_type: The type of the first node, which starts jobs. Empty: the same.
        node_disk_gib: Each worker's own disk in GiB. Files of everybody are on the shared folder, which has no size.
        head_disk_gib: The first node's own disk in GiB.
        efa: Connect the nodes by Elastic Fabric Adapter; few types have one.
        spot: Pay the spot price. AWS takes such nodes back when it wants, and they cannot be stopped.
        image_version: The version of our image; the three newest are in show-aws-choices. Empty: the newest.
        auto_shutdown: After how long without work the cluster is deleted, as 60m; or never.
        ssh_public_keys: Public keys, as in a .pub file, whose owners may log in to the nodes.
        allowed_addresses: From where, as 203.0.113.7/32. Only together with the service ssh.
        services: What can be reached from outside.
        slots_per_node: How many ranks a node takes; 0 means one for each of its cores.
        zone: The availability zone, as us-east-1a. Empty: chosen, and another one where the first has no room.
        vpc_id: A network of yours, with subnet_id. Empty: Groundwork's own, made once for all clusters of a region.
        subnet_id: A subnet of that network, for all nodes.
        security_group_id: A security group of that network. Empty: the cluster's own.
        public_addresses: Give nodes addresses of the internet's. Without them the Prefect worker must be in the
            network, or reach them through a jump host.
        jump_host: The SSH server through which the nodes are reached.
        instance_profile: An instance profile of yours for the nodes. Empty: Groundwork's own.
        bucket: An empty bucket of yours in the same region. Empty: Groundwork's own.
        backup_retention_days: Days for which backups are kept: 0 for no backups, or 7 at least. Never changed later.
        user_management: Who may be a user on the nodes. disabled: nobody is added or removed but by hand.
        tags: Tags on all that the cluster owns, for your bill.
        description: What the cluster is for.
        init_script: A script that runs once on each node as the user of all nodes, who has sudo. Its first
            line names its interpreter, as #!/usr/bin/env bash. No secrets: it is stored with the cluster.
        init_script_runs: Before what we put on nodes for MPI (first), or after that (last).
        init_script_minutes: Its time limit.
        on_failure: What becomes of a cluster that cannot be made whole: remove it, or keep it for a look.
        minimum_nodes: With how many nodes it may go on smaller.
        ignore_warnings: Warnings of the plan that shall not stop it, by name. They are remembered with the cluster.
        dry_run: Make the plan and nothing else.
    """
    spec = AwsClusterSpec(
        name=name,
        account=account_of(account),
        node_count=node_count,
        region=region or account.default_region,
        node_type=node_type,
        head_type=head_type,
        node_disk_gib=node_disk_gib,
        head_disk_gib=head_disk_gib,
        efa=efa,
        spot=spot,
        image_version=image_version,
        auto_shutdown=auto_shutdown,
        ssh_public_keys=ssh_public_keys,
        allowed_addresses=allowed_addresses,
        services=services,
        slots_per_node=slots_per_node,
        zone=zone,
        vpc_id=vpc_id or account.vpc_id,
        subnet_id=subnet_id,
        security_group_id=security_group_id,
        public_addresses=public_addresses,
        jump_host=name_of(jump_host),
        instance_profile=instance_profile or account.instance_profile,
        bucket=bucket,
        backup_retention_days=backup_retention_days,
        user_management=user_management,
        tags=tags,
        description=description,
        init_script=init_script,
        init_script_runs=init_script_runs,
        init_script_minutes=init_script_minutes,
        on_failure=on_failure,
        minimum_nodes=minimum_nodes,
        ignore_warnings=ignore_warnings,
    )
    plan = plan_cluster(spec, account)
    show_plan(plan)
    plan.require_feasible()
    if dry_run:
        note("a dry run: nothing was made")
        return
    with one_writer(name):
        cluster = claim_name(spec)
        if cluster.state is State.RUNNING:
            note(f"cluster {name} is there already and runs")
            ground = lay_ground(account, cluster, plan.ground)
        else:
            ground = _build(cluster, account, plan.ground)
        # Also where it runs already: whoever made it may have been killed before this.
        finish_ground(account, cluster, ground)


def _build(cluster: Cluster, account: AwsAccount, seen: RegionGround | None) -> RegionGround:
    with entered(cluster), undoing(cluster):
        ground = lay_ground(account, cluster, seen)
        cluster = prepare_ground(cluster)
        launch_nodes(cluster)
        with counting_failures(cluster):
            cluster = enter_nodes(cluster, State.BOOTSTRAPPING)
            make_ready(cluster)
            cluster = mark(cluster, State.VERIFYING)
            verify_nodes(cluster)
        mark(cluster, State.RUNNING)
    return ground


@sentence(name="show-aws-choices", run_name="show-choices-of-{account.name}")
def show_aws_choices(
    account: AwsAccount,
    region: RegionOrNone = "",
    family: FamilyOrNone = "",
    zone: ZoneOrNone = "",
    *,
    efa: bool = False,
    gpu: bool = False,
    architecture: Architecture = Architecture.ANY,
) -> None:
    """Show what the form of create-aws-cluster can be filled in with: regions, zones, image versions, types of nodes.

    All of it comes from the account itself. A list that is empty has its reason beside it. Nothing is made.

    Args:
        account: The account, as onboard-aws-account connected it.
        region: Where, as us-east-1. Empty: the account's default region.
        family: Only types of this family, as c5n. Empty: all, and they are more than a thousand.
        zone: Only types that this availability zone sells. Empty: any.
        efa: Only types with an Elastic Fabric Adapter.
        gpu: Only types with GPUs.
        architecture: Only types with this processor.
    """
    asked = wishes(family, zone, architecture, efa=efa, gpu=gpu)
    show_choices(ask_choices(account, region or account.default_region, asked), account.name)
