// Everything for one endpoint, with its resource group. What is in Entra ID is made by entra.bicep.
targetScope = 'subscription'

@description('Name of the environment; part of the names and tags of the resources.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Azure region, one that has Flex Consumption: az functionapp list-flexconsumption-locations')
@minLength(1)
param location string

@description('Name of the resource group. Empty: rg-<environment name>.')
@maxLength(90)
param resourceGroupName string = ''

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

resource resources 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: empty(resourceGroupName) ? 'rg-${environmentName}' : resourceGroupName
  location: location
  tags: {
    'azd-env-name': environmentName
  }
}

module endpoint 'endpoint.bicep' = {
  name: 'endpoint'
  scope: resources
  params: {
    environmentName: environmentName
    location: location
    entraClientId: entraClientId
    entraTenantId: entraTenantId
    appIdUri: appIdUri
    publicUrl: publicUrl
    requiredScope: requiredScope
    outboundType: outboundType
    apiKeys: apiKeys
    instanceMemoryMB: instanceMemoryMB
    httpConcurrency: httpConcurrency
    maximumInstances: maximumInstances
    alwaysReadyInstances: alwaysReadyInstances
    privateNetwork: privateNetwork
    networkAddressPrefix: networkAddressPrefix
    postgres: postgres
    postgresAdminObjectId: postgresAdminObjectId
    postgresAdminName: postgresAdminName
    postgresAdminType: postgresAdminType
    alertEmail: alertEmail
    logRetentionDays: logRetentionDays
    keeperPrincipalId: keeperPrincipalId
  }
}

@description('Name of the resource group.')
output AZURE_RESOURCE_GROUP string = resources.name

@description('The URL that clients use.')
output MCP_URL string = endpoint.outputs.mcpUrl

@description('Name of the function app.')
output FUNCTION_APP_NAME string = endpoint.outputs.functionAppName

@description('Client id of the identity of the endpoint.')
output IDENTITY_CLIENT_ID string = endpoint.outputs.identityClientId

@description('Object id of that identity: the subject of the federated credential.')
output IDENTITY_PRINCIPAL_ID string = endpoint.outputs.identityPrincipalId

@description('URI of the vault.')
output KEY_VAULT_URI string = endpoint.outputs.vaultUri

@description('Host name of PostgreSQL; empty without it.')
output POSTGRES_HOST string = endpoint.outputs.postgresHost
