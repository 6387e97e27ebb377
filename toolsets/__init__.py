"""The tools themselves, one file a toolset. Put a file of your own here and it is offered."""
