// The vault: API keys as hashes, and whatever secrets and certificates the configuration refers to.

@description('Name of the vault.')
@minLength(3)
@maxLength(24)
param name string

@description('Azure region.')
@minLength(1)
param location string

@description('Tags of the resources.')
param tags object

@description('Object id of the identity of the endpoint.')
@minLength(36)
@maxLength(36)
param principalId string

@description('Object id of whoever makes, rotates and revokes keys; empty: nobody.')
@maxLength(36)
param keeperPrincipalId string

@description('Whether the vault is reached through a private endpoint only.')
param privateNetwork bool

@description('Resource id of the Log Analytics workspace.')
@minLength(1)
param workspaceId string

// Key Vault Secrets User: list secrets and read their values. Certificates are read as the secret behind them.
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
// Key Vault Secrets Officer: create, rotate and revoke keys (manage.py keys).
var secretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'

// Purge protection cannot be turned off again: the name stays taken for 90 days after the vault is deleted.
resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
    }
  }
}

resource endpointReads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, secretsUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource keeperWrites 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(keeperPrincipalId)) {
  name: guid(vault.id, keeperPrincipalId, secretsOfficer)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
    principalId: keeperPrincipalId
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

@description('Resource id of the vault.')
output id string = vault.id

@description('URI of the vault.')
output uri string = vault.properties.vaultUri
