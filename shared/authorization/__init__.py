"""May they? The policy turns a caller and a tool into a `Decision` that can explain itself."""
