// A PostgreSQL server for the sample. Nobody signs in with a password; who may read what is decided in SQL (docs/postgres.md).

@description('Name of the server.')
@minLength(3)
@maxLength(63)
param name string

@description('Azure region.')
@minLength(1)
param location string

@description('Tags of the resources.')
param tags object

@description('Object id of the Entra administrator. A server without one can be entered by nobody.')
@minLength(36)
@maxLength(36)
param adminObjectId string

@description('Name of the Entra administrator: a user principal name, the name of a group, or of an application.')
@minLength(1)
param adminName string

@description('What the administrator is.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param adminType string

@description('Whether the server is reached through a private endpoint only.')
param privateNetwork bool

@description('Resource id of the Log Analytics workspace.')
@minLength(1)
param workspaceId string

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2025-08-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Standard_B1ms'
    tier: 'Burstable'
  }
  properties: {
    version: '17'
    createMode: 'Default'
    authConfig: {
      activeDirectoryAuth: 'Enabled'
      passwordAuth: 'Disabled'
      tenantId: tenant().tenantId
    }
    storage: {
      storageSizeGB: 32
      autoGrow: 'Enabled'
    }
    backup: {
      backupRetentionDays: 7
      geoRedundantBackup: 'Disabled'
    }
    highAvailability: {
      mode: 'Disabled'
    }
    network: {
      publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    }
  }
}

// The server takes one change at a time: each of the next waits for the one before.
// 0.0.0.0 lets in every address of Azure, other customers' too, since those of Flex Consumption are not fixed. A token is needed all the same.
resource fromAzure 'Microsoft.DBforPostgreSQL/flexibleServers/firewallRules@2025-08-01' = if (!privateNetwork) {
  parent: server
  name: 'from-azure'
  properties: {
    startIpAddress: '0.0.0.0'
    endIpAddress: '0.0.0.0'
  }
}

resource administrator 'Microsoft.DBforPostgreSQL/flexibleServers/administrators@2025-08-01' = {
  parent: server
  name: adminObjectId
  properties: {
    principalName: adminName
    principalType: adminType
    tenantId: tenant().tenantId
  }
  dependsOn: [fromAzure]
}

resource database 'Microsoft.DBforPostgreSQL/flexibleServers/databases@2025-08-01' = {
  parent: server
  name: 'sample'
  properties: {
    charset: 'UTF8'
    collation: 'en_US.utf8'
  }
  dependsOn: [administrator]
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: server
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'PostgreSQLLogs'
        enabled: true
      }
    ]
  }
}

@description('Resource id of the server.')
output id string = server.id

@description('Host name of the server.')
output host string = server.properties.fullyQualifiedDomainName

@description('Name of the database of the sample.')
output database string = database.name
