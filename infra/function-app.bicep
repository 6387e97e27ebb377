// The function app and its settings: the packaged appsettings.json, and over it what only the deployment knows.

@description('Name of the function app.')
@minLength(2)
@maxLength(60)
param name string

@description('Name of the plan. A Flex Consumption plan has one app.')
@minLength(1)
@maxLength(60)
param planName string

@description('Azure region.')
@minLength(1)
param location string

@description('Tags of the resources.')
param tags object

@description('Resource id of the identity of the endpoint.')
@minLength(1)
param identityId string

@description('Client id of the identity.')
@minLength(36)
@maxLength(36)
param identityClientId string

@description('Name of the identity, and of its role in PostgreSQL.')
@minLength(3)
param identityName string

@description('Name of the storage account.')
@minLength(3)
@maxLength(24)
param storageName string

@description('Name of the container of packages.')
@minLength(3)
param packageContainer string

@description('Name of the Application Insights component.')
@minLength(1)
param componentName string

@description('Resource id of the Log Analytics workspace.')
@minLength(1)
param workspaceId string

@description('Resource id of the subnet of the app; empty: no virtual network.')
@maxLength(512)
param subnetId string

@description('URI of the vault.')
@minLength(1)
param vaultUri string

@description('Client id of the API application.')
@minLength(36)
@maxLength(36)
param entraClientId string

@description('Id of the tenant.')
@minLength(36)
@maxLength(36)
param entraTenantId string

@description('App ID URI of the API application; empty: api://<client id>.')
@maxLength(255)
param appIdUri string

@description('Full URL that clients use; empty: https://<host name of the app>/mcp.')
@maxLength(255)
param publicUrl string

@description('The scope that users need, and the app role that applications need.')
@minLength(1)
@maxLength(120)
param requiredScope string

@description('As whom tools call Azure.')
@allowed(['JwtObo', 'ManagedIdentity', 'ByCaller', 'None'])
param outboundType string

@description('Whether API keys are taken.')
param apiKeys bool

@description('Host name of the PostgreSQL server; empty: there is none.')
@maxLength(255)
param postgresHost string

@description('Name of its database; empty without one.')
@maxLength(63)
param postgresDatabase string

@description('Memory of an instance, in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int

@description('Requests that an instance works on at once.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int

@description('How many instances there may be.')
@minValue(40)
@maxValue(1000)
param maximumInstances int

@description('Instances that are kept running.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int

resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource site 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  // azd finds by this tag where to deploy its service.
  tags: union(tags, {
    'azd-service-name': 'api'
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      runtime: {
        name: 'python'
        version: '3.13'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstances
        alwaysReady: alwaysReadyInstances == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyInstances }]
        // Said in any case: for Python the platform would start an instance per request.
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
    }
    // No cors: where the platform answers preflights, the endpoint never sees them.
    // No ftpsState: Flex Consumption has no FTP, and refuses the property.
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
    }
  }
}

resource ftpCredentials 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmCredentials 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: site
  name: 'scm'
  properties: {
    allow: false
  }
}

var url = empty(publicUrl) ? 'https://${site.properties.defaultHostName}/mcp' : publicUrl
var exchanges = outboundType == 'JwtObo' || outboundType == 'ByCaller'
var postgres = !empty(postgresHost) && outboundType != 'None'
var cloud = loadJsonContent('clouds.json')[environment().name]

var appSettings = union(
  {
    // The Functions host: its storage, its telemetry, both by identity.
    AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    AzureWebJobsDisableHomepage: 'true'
    APPLICATIONINSIGHTS_CONNECTION_STRING: component.properties.ConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'

    // The endpoint. AZURE_CLIENT_ID is as whom it reads the vault.
    AZURE_CLIENT_ID: identityClientId
    Server__PublicUrl: url
    Authentication__Enabled: 'true'
    Authentication__DefaultScheme: 'Bearer'
    Authentication__DefaultPolicy__RequiredScopes__0: requiredScope
    Authentication__Schemes__Bearer__Type: 'JwtBearer'
    Authentication__Schemes__Bearer__Authority: '${cloud.loginEndpoint}${entraTenantId}'
    Authentication__Schemes__Bearer__ClientId: entraClientId
    Authentication__Schemes__Bearer__Audience: empty(appIdUri) ? 'api://${entraClientId}' : appIdUri
  },
  apiKeys ? {
    Authentication__AdditionalSchemes__0: 'ApiKey'
    Authentication__Schemes__ApiKey__Type: 'ApiKey'
    Authentication__Schemes__ApiKey__KeyVault__VaultUri: vaultUri
  } : {},
  outboundType != 'None' ? {
    outboundAuthentication__type: outboundType
  } : {},
  outboundType == 'JwtObo' ? {
    outboundAuthentication__clientCredential__kind: 'FederatedManagedIdentity'
    outboundAuthentication__clientCredential__managedIdentityClientId: identityClientId
  } : {},
  outboundType == 'ManagedIdentity' ? {
    outboundAuthentication__clientId: identityClientId
  } : {},
  outboundType == 'ByCaller' ? {
    outboundAuthentication__user__type: 'JwtObo'
    outboundAuthentication__user__clientCredential__kind: 'FederatedManagedIdentity'
    outboundAuthentication__user__clientCredential__managedIdentityClientId: identityClientId
    outboundAuthentication__application__type: 'ManagedIdentity'
    outboundAuthentication__application__clientId: identityClientId
    outboundAuthentication__key__type: 'ManagedIdentity'
    outboundAuthentication__key__clientId: identityClientId
  } : {},
  postgres && exchanges ? {
    // Each user has a role of their own, named by the user principal name.
    Authentication__Schemes__Bearer__ClaimsMapping__NameClaim: 'preferred_username'
    Toolsets__postgres__Servers__sample__Host: postgresHost
    Toolsets__postgres__Servers__sample__Databases__0: postgresDatabase
    Toolsets__postgres__Servers__sample__TokenScope: cloud.postgresTokenScope
  } : {},
  postgres && outboundType != 'JwtObo' ? {
    // Whoever calls as the identity has the role that is named like it.
    Toolsets__postgres__Servers__service__Host: postgresHost
    Toolsets__postgres__Servers__service__Databases__0: postgresDatabase
    Toolsets__postgres__Servers__service__TokenScope: cloud.postgresTokenScope
    Toolsets__postgres__Servers__service__User: identityName
  } : {}
)

resource settings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: site
  name: 'appsettings'
  properties: appSettings
}

// The audit records among them, which Application Insights may sample.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: site
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'FunctionAppLogs'
        enabled: true
      }
    ]
  }
}

@description('Name of the function app.')
output name string = site.name

@description('Its host name.')
output hostName string = site.properties.defaultHostName

@description('The URL that clients use.')
output mcpUrl string = url
