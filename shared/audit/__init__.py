"""What happened: one record per MCP request, to whoever keeps such records."""
