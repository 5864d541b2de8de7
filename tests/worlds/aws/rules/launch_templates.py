"""Launch templates: every field of one is applied to a launch, and a version may build on another one.

Moto uses the type, the key and the tags of a template only, and forgets what a new version is made from
("Launch instances from a launch template" in the EC2 User Guide).
"""

from typing import TYPE_CHECKING, Any

from moto.ec2.utils import parse_user_data

from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, refuse

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_BY_NAME = {"BlockDeviceMappings": "DeviceName"}
"""Lists whose items stand beside the template's, unless they have the same name."""

_LISTS_THAT_ADD = ("TagSpecifications",)


def with_template(world: "World", call: Call) -> dict[str, Any]:
    """Return a launch's parameters together with its template's: what the call itself says goes first.

    Raises:
        Refused: There is no such template or version, or it is named twice.
    """
    asked = {name: value for name, value in call.params.items() if name not in ("LaunchTemplate", "DryRun")}
    named = call.params.get("LaunchTemplate")
    if not named:
        return asked
    template = _template(world, call, named)
    version = _version(template, str(named.get("Version") or "$Default"))
    kept = {name: value for name, value in version.data.items() if value is not None}
    if kept.get("UserData") is not None:
        kept["UserData"] = str(kept["UserData"])
    market = kept.get("InstanceMarketOptions")
    merged = {**kept, **asked, **_lists(kept, asked)}
    if market and "InstanceMarketOptions" in asked:
        merged["InstanceMarketOptions"] = {**market, **asked["InstanceMarketOptions"]}
    own = {"aws:ec2launchtemplate:id": template.id, "aws:ec2launchtemplate:version": str(version.number)}
    return {**merged, "TemplateTags": own}


@refuse("ec2", "CreateLaunchTemplateVersion")
def source_is_there(world: "World", call: Call) -> None:
    """A version is made from one that exists."""
    template = _template(world, call, call.params)
    if call.params.get("SourceVersion"):
        _version(template, call.params["SourceVersion"])


@amend("ec2", "CreateLaunchTemplate")
def keep_what_was_given(world: "World", call: Call, document: Answer) -> None:
    """Moto mixes the template's own tags with those of the instances."""
    template = world.backend(call).launch_templates[document["LaunchTemplate"]["LaunchTemplateId"]]
    template.versions[0].data = _data(call)


@amend("ec2", "CreateLaunchTemplateVersion")
def build_on_the_source(world: "World", call: Call, document: Answer) -> None:
    """A version has what its source has, where it does not say otherwise itself."""
    told = document["LaunchTemplateVersion"]
    template = world.backend(call).launch_templates[told["LaunchTemplateId"]]
    source = call.params.get("SourceVersion")
    version = template.versions[-1]
    version.data = {**(_version(template, source).data if source else {}), **_data(call)}
    shown = {name: value for name, value in version.data.items() if name != "UserData" and value is not None}
    if version.data.get("UserData") is not None:
        shown["UserData"] = str(version.data["UserData"])
    told["LaunchTemplateData"] = shown


@refuse("ec2", "DescribeLaunchTemplates")
def all_are_there(world: "World", call: Call) -> None:
    """Moto passes over ids that it does not know."""
    for template_id in call.params.get("LaunchTemplateIds") or []:
        _template(world, call, {"LaunchTemplateId": template_id})


def _template(world: "World", call: Call, named: dict[str, Any]) -> Any:
    store = world.backend(call)
    wanted, name = named.get("LaunchTemplateId"), named.get("LaunchTemplateName")
    if bool(wanted) == bool(name):
        text = "Exactly one of launch template ID and launch template name must be given"
        raise Refused("InvalidParameterCombination" if wanted else "MissingParameter", text)
    found = store.launch_templates.get(wanted or store.launch_template_name_to_ids.get(name))
    if found is None and wanted:
        text = f"The specified launch template, with template ID {wanted}, does not exist."
        raise Refused("InvalidLaunchTemplateId.NotFound", text)
    if found is None:
        text = f"The specified launch template, with template name {name}, does not exist."
        raise Refused("InvalidLaunchTemplateName.NotFoundException", text)
    return found


def _version(template: Any, wanted: str) -> Any:
    number = {"$Latest": template.versions[-1].number, "$Default": template.default_version_number}.get(wanted, wanted)
    for version in template.versions:
        if str(version.number) == str(number):
            return version
    text = f"Could not find the specified version {wanted} for the launch template with ID {template.id}."
    raise Refused("InvalidLaunchTemplateId.VersionNotFound", text)


def _data(call: Call) -> dict[str, Any]:
    given = dict(call.params["LaunchTemplateData"])
    if given.get("UserData") is not None:
        given["UserData"] = parse_user_data(given["UserData"])
    return given


def _lists(kept: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    merged = {}
    for member, name in _BY_NAME.items():
        if member in kept and member in asked:
            merged[member] = list({item[name]: item for item in kept[member] + asked[member]}.values())
    for member in _LISTS_THAT_ADD:
        if member in kept and member in asked:
            merged[member] = kept[member] + asked[member]
    return merged
