"""What a tool author needs; nothing else of the project has to be imported."""

from msgspec import Meta

from shared.tools.context import ToolContext
from shared.tools.decorator import prompt, resource, tool
from shared.tools.errors import ToolError

__all__ = ["Meta", "ToolContext", "ToolError", "prompt", "resource", "tool"]
