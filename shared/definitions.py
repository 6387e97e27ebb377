"""Tools, resources and prompts as MCP's lists describe them."""

from shared.protocol.results import PromptDefinition, ResourceDefinition, ToolDefinition
from shared.tools.catalogue import Prompt, Resource, Tool


def tool_definition(tool: Tool) -> ToolDefinition:
    """What `tools/list` says of a tool."""
    read = tool.signature
    return ToolDefinition(
        tool.name,
        read.description,
        read.input_schema,
        tool.options.title,
        read.output_schema,
        tool.annotations,
    )


def resource_definition(resource: Resource) -> ResourceDefinition:
    """What `resources/list` and `resources/templates/list` say of a resource."""
    options, call = resource.options, resource.call
    return ResourceDefinition(
        options.uri,
        options.name or call.name,
        call.signature.description,
        options.title,
        options.mime_type,
        resource.is_template,
    )


def prompt_definition(prompt: Prompt) -> PromptDefinition:
    """What `prompts/list` says of a prompt."""
    signature = prompt.call.signature
    schema = signature.input_schema
    required = schema.get("required", ())
    arguments = [
        {
            "name": name,
            **({"description": part["description"]} if "description" in part else {}),
            "required": name in required,
        }
        for name, part in schema.get("properties", {}).items()
    ]
    return PromptDefinition(
        prompt.options.name or prompt.call.name,
        signature.description,
        prompt.options.title,
        arguments,
    )
