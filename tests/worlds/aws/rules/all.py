"""Every file of rules: importing this one makes them known."""
# ruff: noqa: F401

import tests.worlds.aws.rules.instance_states
import tests.worlds.aws.rules.passing_time
import tests.worlds.aws.rules.simulate
import tests.worlds.aws.rules.sts
