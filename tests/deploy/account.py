"""Starts ministack, with three things that AWS does and it does not: a template is transformed with the values of its parameters,
conditions can contain Fn::Sub and the name of the stack, and a function that a stack updates keeps its versions and aliases."""
import contextvars

import samtranslator.translator.transform as sam
from ministack.app import main
from ministack.services import lambda_svc
from ministack.services.cloudformation import changesets, provisioners
from ministack.services.cloudformation.helpers import _extract_members, _p

request = contextvars.ContextVar("request")
create = changesets._create_change_set
transform = sam.transform


def literal(value, known: dict[str, str]):
    """A condition with texts in place of what refers to them."""
    if isinstance(value, dict) and "Fn::Sub" in value:
        text = value["Fn::Sub"]
        for name, own in known.items():
            text = text.replace(f"${{{name}}}", own)
        return text
    if isinstance(value, dict) and value.get("Ref") == "AWS::StackName":
        return known["AWS::StackName"]
    if isinstance(value, dict):
        return {key: literal(own, known) for key, own in value.items()}
    return [literal(own, known) for own in value] if isinstance(value, list) else value


def with_values(template: dict, _none, policies) -> dict:
    values = {one["Key"]: one["Value"] for one in _extract_members(request.get(), "Parameters")}
    template = transform(template, values, policies)
    known = values | {"AWS::StackName": _p(request.get(), "StackName")}
    template["Conditions"] = literal(template.get("Conditions", {}), known)
    return template


def create_change_set(params):
    request.set(params)
    return create(params)


create_function = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]["create"]


def update_function(logical_id, properties, stack_name):
    name = properties.get("FunctionName") or provisioners._physical_name(stack_name, logical_id, max_len=64)
    before = lambda_svc._functions.get(name)
    made = create_function(logical_id, properties, stack_name)
    if before:
        lambda_svc._functions[name].update({part: before[part] for part in ("versions", "next_version", "aliases", "policy", "tags")})
    return made


provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]["create"] = update_function
sam.transform = with_values
for holder in (changesets, __import__("ministack.services.cloudformation.handlers", fromlist=["handlers"])):
    for name, value in list(vars(holder).items()):
        if value is create:
            setattr(holder, name, create_change_set)
        elif isinstance(value, dict):
            value.update({key: create_change_set for key, handler in value.items() if handler is create})
main()
