"""As whom do tools call Azure? A caller becomes a credential that Azure SDK clients take."""
