"""Azure on loopback: Entra, managed identity and Key Vault as the real clients speak to them."""
