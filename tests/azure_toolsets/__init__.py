"""Tools that call Azure."""
