"""MCP on the wire, both eras, statelessly. Knows nothing of Azure, callers or tools' insides."""
