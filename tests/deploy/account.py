"""Starts ministack, with two things that AWS does and it does not: a template is transformed with the values of its parameters, and
conditions can contain Fn::Sub and the name of the stack."""
import contextvars
import copy
import os
import sys
from types import SimpleNamespace

# Its own versions of libraries come first.
sys.path.append(os.environ["TOOLS"])

from ministack.app import main
from ministack.services.cloudformation import changesets, handlers
from ministack.services.cloudformation.helpers import _p
from samtranslator.translator.transform import transform

request = contextvars.ContextVar("request")
create = changesets._create_change_set


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


def with_values(template: dict, provided=(), _previous=None) -> dict:
    values = {one["Key"]: one["Value"] for one in provided}
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    template = transform(copy.deepcopy(template), values, SimpleNamespace(load=dict))
    known = values | {"AWS::StackName": _p(request.get(), "StackName")}
    template["Conditions"] = literal(template.get("Conditions", {}), known)
    return template


def create_change_set(params):
    request.set(params)
    return create(params)


changesets._apply_transforms = with_values
for table in [value for value in vars(handlers).values() if isinstance(value, dict)]:
    table.update({name: create_change_set for name, handler in table.items() if handler is create})
main()
