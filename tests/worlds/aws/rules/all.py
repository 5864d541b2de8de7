"""Every file of rules: importing this one makes them known."""
# ruff: noqa: F401

import tests.worlds.aws.rules.access_keys
import tests.worlds.aws.rules.addresses
import tests.worlds.aws.rules.describing
import tests.worlds.aws.rules.efs
import tests.worlds.aws.rules.endpoints
import tests.worlds.aws.rules.gateways
import tests.worlds.aws.rules.groups
import tests.worlds.aws.rules.hosts
import tests.worlds.aws.rules.iam
import tests.worlds.aws.rules.iam_documents
import tests.worlds.aws.rules.image_making
import tests.worlds.aws.rules.image_sharing
import tests.worlds.aws.rules.images
import tests.worlds.aws.rules.instance_actions
import tests.worlds.aws.rules.instance_attributes
import tests.worlds.aws.rules.instance_states
import tests.worlds.aws.rules.instances
import tests.worlds.aws.rules.interfaces
import tests.worlds.aws.rules.kms
import tests.worlds.aws.rules.launch_templates
import tests.worlds.aws.rules.lookups
import tests.worlds.aws.rules.networks
import tests.worlds.aws.rules.passing_time
import tests.worlds.aws.rules.placement_groups
import tests.worlds.aws.rules.profiles
import tests.worlds.aws.rules.regions
import tests.worlds.aws.rules.routes
import tests.worlds.aws.rules.s3
import tests.worlds.aws.rules.secrets
import tests.worlds.aws.rules.simulate
import tests.worlds.aws.rules.snapshots
import tests.worlds.aws.rules.spot
import tests.worlds.aws.rules.ssm
import tests.worlds.aws.rules.sts
import tests.worlds.aws.rules.tags
