"""A package of toolsets with the example of the documentation in it."""
