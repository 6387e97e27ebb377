"""Configuration: one file in the seeds' vocabulary, overridden by environment variables."""
