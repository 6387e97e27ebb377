// As whom the endpoint acts: towards its storage, its vault and its logs, and, by outboundType, towards what its tools call.

@description('Name of the user-assigned managed identity.')
@minLength(3)
@maxLength(128)
param name string

@description('Azure region.')
@minLength(1)
param location string

@description('Tags of the resource.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id of the identity.')
output id string = identity.id

@description('Its name, which is also the name of its role in PostgreSQL.')
output name string = identity.name

@description('Its client id, by which code asks for it.')
output clientId string = identity.properties.clientId

@description('Its object id, to which roles are given; the subject of the federated credential.')
output principalId string = identity.properties.principalId
