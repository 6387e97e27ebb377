"""The deployment to Azure: Bicep files, the hooks of azd, and what checks them."""
