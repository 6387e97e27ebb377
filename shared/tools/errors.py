"""The two errors of the tools room: one for callers, one for authors."""


class ToolError(Exception):
    """Raised by a tool to tell its caller what went wrong and what to do.

    The one exception whose text the caller sees, so it must hold nothing secret. Every other
    exception becomes a neutral message with the correlation id.
    """


class ToolDefinitionError(Exception):
    """A tool that cannot be offered as written. Raised at start; names the place and the remedy."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem
