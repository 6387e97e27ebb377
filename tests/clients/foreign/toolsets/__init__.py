"""What foreign clients are shown: one of everything."""
