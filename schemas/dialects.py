"""Turn a JSON Schema into the dialects others need: draft 7, and Kafka headers as text."""

from typing import Any


def draft7(node: Any) -> Any:
    """Return a schema of 2020-12 as AsyncAPI's own dialect has it."""
    if isinstance(node, list):
        return [draft7(element) for element in node]
    if not isinstance(node, dict):
        return node
    node = {name: draft7(value) for name, value in node.items()}
    if "prefixItems" in node:
        node["items"] = node.pop("prefixItems")
    if "discriminator" in node:  # there a property's name; the branches say it themselves
        del node["discriminator"]
    return node


def as_text(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a flat model's schema as headers have it: every value is a text, null is left out."""
    properties = {}
    for name, about in schema["properties"].items():
        branches = about.get("anyOf", [about])
        kinds = {branch.get("type") for branch in branches}
        text: dict[str, Any] = {"type": "string"}
        if "boolean" in kinds:
            text["enum"] = ["true", "false"]
        elif "integer" in kinds:
            text["pattern"] = f"^{about['const']}$" if "const" in about else "^-?[0-9]+$"
        elif "enum" in about:
            text["enum"] = about["enum"]
        properties[name] = text
    optional = {name for name, about in schema["properties"].items() if "anyOf" in about}
    required = [name for name in schema.get("required", []) if name not in optional]
    return schema | {"properties": properties, "required": required}
