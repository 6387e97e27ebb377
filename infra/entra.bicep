// The Microsoft Entra objects of one endpoint. The only file that needs the Microsoft Graph extension,
// and no module of main.bicep: the hooks deploy it by itself, before and after everything else.
// Interactive deployments of Graph objects work with the Azure CLI and Azure PowerShell only.
extension microsoftGraphV1

targetScope = 'subscription'

@description('The name by which the application is found again, in the tenant. It cannot be changed later.')
@minLength(3)
@maxLength(80)
param uniqueName string

@description('The name that people see when they consent.')
@minLength(1)
@maxLength(80)
param displayName string = uniqueName

@description('The scope of users, and the app role of applications.')
@minLength(1)
@maxLength(120)
param requiredScope string = 'access_as_user'

@description('App ID URIs: the public URL first, then api://<client id>. Empty the first time, when neither is known. Whatever is not in the list is taken away.')
@maxLength(10)
param identifierUris array = []

@description('Client ids of applications whose users are not asked for consent, besides Visual Studio Code.')
@maxLength(50)
param preAuthorizedClientIds array = []

@description('The toolsets that act as the user. Their delegated permissions are asked for, and no others.')
param toolsets array = []

@description('Principal id (object id) of the user-assigned identity that may prove to be this application. Empty: none.')
@maxLength(36)
param identityPrincipalId string = ''

// The client of Visual Studio Code and GitHub Copilot, of Microsoft's own tenant.
var visualStudioCode = 'aebc6443-996d-45c2-90f0-388ff96faa56'

// A scope and an app role of one value must agree in id, texts and state, or Entra refuses both as duplicates.
var access = {
  id: guid('postern', 'access')
  value: requiredScope
  name: 'Call the tools of ${displayName}'
  description: 'Call the tools of ${displayName}. Which ones is decided there, for each caller.'
}

var permissions = loadJsonContent('permissions.json')
var neededPermissions = filter(permissions, permission => !empty(intersection(permission.toolsets, toolsets)))

var cloud = loadJsonContent('clouds.json')[environment().name]

resource application 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: uniqueName
  displayName: displayName
  description: 'An MCP endpoint. Its scope and its app role admit callers; what they may call is configured there.'
  signInAudience: 'AzureADMyOrg'
  identifierUris: identifierUris
  api: {
    // Version 2, or the tenant's policy may forbid the public URL as an App ID URI.
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: [
      {
        id: access.id
        value: access.value
        type: 'User'
        isEnabled: true
        adminConsentDisplayName: access.name
        adminConsentDescription: access.description
        userConsentDisplayName: access.name
        userConsentDescription: access.description
      }
    ]
    preAuthorizedApplications: [
      for clientId in union([visualStudioCode], preAuthorizedClientIds): {
        appId: clientId
        delegatedPermissionIds: [
          access.id
        ]
      }
    ]
  }
  appRoles: [
    {
      id: access.id
      value: access.value
      allowedMemberTypes: [
        'Application'
      ]
      isEnabled: true
      displayName: access.name
      description: access.description
    }
  ]
  requiredResourceAccess: [
    for permission in neededPermissions: {
      resourceAppId: permission.resourceAppId
      resourceAccess: [
        {
          id: permission.id
          type: 'Scope'
        }
      ]
    }
  ]
  optionalClaims: {
    accessToken: [
      {
        name: 'idtyp'
      }
    ]
  }
}

resource servicePrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: application.appId
}

resource managedIdentity 'Microsoft.Graph/applications/federatedIdentityCredentials@v1.0' = if (!empty(identityPrincipalId)) {
  name: '${application.uniqueName}/managed-identity'
  description: 'The managed identity of the endpoint stands for this application.'
  issuer: '${cloud.loginEndpoint}${tenant().tenantId}/v2.0'
  subject: identityPrincipalId
  audiences: [
    cloud.tokenExchangeAudience
  ]
}

@description('Application (client) id.')
output clientId string = application.appId

@description('Object id of the application.')
output objectId string = application.id

@description('Object id of its service principal, to which app roles are assigned.')
output servicePrincipalId string = servicePrincipal.id

@description('The first App ID URI, or nothing yet.')
output appIdUri string = empty(identifierUris) ? '' : identifierUris[0]
