"""Postern: an MCP endpoint that knows who calls, what they may call, and as whom its tools act."""

VERSION = "0.1.0"
