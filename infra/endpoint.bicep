// Everything for one endpoint in a resource group that is there already.

@description('Name of the environment; part of the names and tags of the resources.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Azure region, one that has Flex Consumption: az functionapp list-flexconsumption-locations')
@minLength(1)
param location string = resourceGroup().location

@description('Client id of the API application in Entra ID.')
@minLength(36)
@maxLength(36)
param entraClientId string

@description('Id of the tenant in which clients sign in. Empty: that of the subscription.')
@maxLength(36)
param entraTenantId string = ''

@description('App ID URI of the API application: the public URL where the tenant allows that. Empty: api://<client id>.')
@maxLength(255)
param appIdUri string = ''

@description('Full URL that clients use, with a path and no slash at its end. Empty: https://<host name of the app>/mcp.')
@maxLength(255)
param publicUrl string = ''

@description('The scope that users need, and the app role of the same name that applications need.')
@minLength(1)
@maxLength(120)
param requiredScope string = 'access_as_user'

@description('As whom tools call Azure: JwtObo (users as themselves), ManagedIdentity, ByCaller (users as themselves, applications and keys as the identity), or None.')
@allowed(['JwtObo', 'ManagedIdentity', 'ByCaller', 'None'])
param outboundType string = 'JwtObo'

@description('Whether API keys, kept as hashes in the vault, are taken besides tokens.')
param apiKeys bool = false

@description('Memory of an instance, in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Requests that an instance works on at once, before another is started.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

@description('How many instances there may be.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 40

@description('Instances that are kept running. They are paid for by the hour.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 0

@description('Whether storage, vault and PostgreSQL are reached through private endpoints only.')
param privateNetwork bool = false

@description('Addresses of the virtual network, a /24.')
@minLength(9)
@maxLength(18)
param networkAddressPrefix string = '10.80.0.0/24'

@description('Whether to deploy a PostgreSQL server for the sample.')
param postgres bool = false

@description('Object id of the Entra administrator of PostgreSQL; needed with postgres.')
@maxLength(36)
param postgresAdminObjectId string = ''

@description('Name of that administrator: a user principal name, the name of a group, or of an application.')
@maxLength(256)
param postgresAdminName string = ''

@description('What that administrator is.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param postgresAdminType string = 'User'

@description('Where alerts are mailed to. Empty: they are seen in the portal only.')
@maxLength(254)
param alertEmail string = ''

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Object id of whoever runs manage.py keys: with apiKeys they may write secrets in the vault. Empty: nobody.')
@maxLength(36)
param keeperPrincipalId string = deployer().objectId

var token = uniqueString(resourceGroup().id, environmentName)
var suffix = 'postern-${token}'
var tags = {
  'azd-env-name': environmentName
}
var cloud = loadJsonContent('clouds.json')[environment().name]
var privateServices = [
  {
    name: 'blob'
    resourceId: storage.outputs.id
    group: 'blob'
    zone: 'privatelink.blob.${environment().suffixes.storage}'
  }
  {
    name: 'vault'
    resourceId: vault.outputs.id
    group: 'vault'
    zone: cloud.vaultPrivateZone
  }
]

module identity 'identity.bicep' = {
  name: 'identity'
  params: {
    name: 'id-${suffix}'
    location: location
    tags: tags
  }
}

module monitoring 'monitoring.bicep' = {
  name: 'monitoring'
  params: {
    workspaceName: 'log-${suffix}'
    componentName: 'appi-${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    retentionDays: logRetentionDays
  }
}

module storage 'storage.bicep' = {
  name: 'storage'
  params: {
    name: 'stpostern${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    privateNetwork: privateNetwork
    workspaceId: monitoring.outputs.workspaceId
  }
}

module vault 'vault.bicep' = {
  name: 'vault'
  params: {
    name: 'kv-${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    keeperPrincipalId: apiKeys ? keeperPrincipalId : ''
    privateNetwork: privateNetwork
    workspaceId: monitoring.outputs.workspaceId
  }
}

// Without an administrator this is refused, rather than a server made that nobody can enter.
module database 'postgres.bicep' = if (postgres) {
  name: 'postgres'
  params: {
    name: 'psql-${suffix}'
    location: location
    tags: tags
    adminObjectId: postgresAdminObjectId
    adminName: postgresAdminName
    adminType: postgresAdminType
    privateNetwork: privateNetwork
    workspaceId: monitoring.outputs.workspaceId
  }
}

module network 'network.bicep' = if (privateNetwork) {
  name: 'network'
  params: {
    name: 'vnet-${suffix}'
    location: location
    tags: tags
    addressPrefix: networkAddressPrefix
    services: concat(privateServices, postgres ? [
      {
        name: 'postgres'
        resourceId: database!.outputs.id
        group: 'postgresqlServer'
        zone: cloud.postgresPrivateZone
      }
    ] : [])
  }
}

module functionApp 'function-app.bicep' = {
  name: 'function-app'
  params: {
    name: 'func-${suffix}'
    planName: 'plan-${suffix}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    identityName: identity.outputs.name
    storageName: storage.outputs.name
    packageContainer: storage.outputs.packageContainer
    componentName: monitoring.outputs.componentName
    workspaceId: monitoring.outputs.workspaceId
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    vaultUri: vault.outputs.uri
    entraClientId: entraClientId
    entraTenantId: empty(entraTenantId) ? tenant().tenantId : entraTenantId
    appIdUri: appIdUri
    publicUrl: publicUrl
    requiredScope: requiredScope
    outboundType: outboundType
    apiKeys: apiKeys
    postgresHost: postgres ? database!.outputs.host : ''
    postgresDatabase: postgres ? database!.outputs.database : ''
    instanceMemoryMB: instanceMemoryMB
    httpConcurrency: httpConcurrency
    maximumInstances: maximumInstances
    alwaysReadyInstances: alwaysReadyInstances
  }
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  params: {
    namePrefix: suffix
    location: location
    tags: tags
    componentName: monitoring.outputs.componentName
    workspaceId: monitoring.outputs.workspaceId
    hostName: functionApp.outputs.hostName
    email: alertEmail
  }
}

@description('The URL that clients use.')
output mcpUrl string = functionApp.outputs.mcpUrl

@description('Name of the function app.')
output functionAppName string = functionApp.outputs.name

@description('Client id of the identity of the endpoint.')
output identityClientId string = identity.outputs.clientId

@description('Object id of that identity: the subject of the federated credential.')
output identityPrincipalId string = identity.outputs.principalId

@description('URI of the vault.')
output vaultUri string = vault.outputs.uri

@description('Host name of PostgreSQL; empty without it.')
output postgresHost string = postgres ? database!.outputs.host : ''
