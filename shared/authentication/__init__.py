"""Who is calling? A request's credential becomes a `Caller`, or a refusal. Knows nothing of MCP."""
