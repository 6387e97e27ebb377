// A virtual network for the endpoint, and private endpoints in it for what it calls. Clients still come by the internet.

@description('Name of the virtual network.')
@minLength(2)
@maxLength(64)
param name string

@description('Azure region.')
@minLength(1)
param location string

@description('Tags of the resources.')
param tags object

@description('Addresses of the network, a /24.')
@minLength(9)
@maxLength(18)
param addressPrefix string

@description('What is reached privately, each as {name, resourceId, group, zone}: a service, its sub-resource and its DNS zone.')
@minLength(1)
param services array

var appSubnet = 'app'
var endpointSubnet = 'private-endpoints'

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [addressPrefix]
    }
    subnets: [
      {
        name: appSubnet
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 25, 0)
          // Flex Consumption's delegation; the provider Microsoft.App must be registered in the subscription.
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: endpointSubnet
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 27, 4)
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for service in services: {
    name: service.zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (service, index) in services: {
    parent: zones[index]
    name: name
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: network.id
      }
    }
  }
]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2024-05-01' = [
  for service in services: {
    name: 'pe-${name}-${service.name}'
    location: location
    tags: tags
    properties: {
      subnet: {
        id: '${network.id}/subnets/${endpointSubnet}'
      }
      privateLinkServiceConnections: [
        {
          name: service.name
          properties: {
            privateLinkServiceId: service.resourceId
            groupIds: [service.group]
          }
        }
      ]
    }
  }
]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [
  for (service, index) in services: {
    parent: privateEndpoints[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: service.name
          properties: {
            privateDnsZoneId: zones[index].id
          }
        }
      ]
    }
  }
]

@description('Resource id of the subnet of the function app.')
output appSubnetId string = '${network.id}/subnets/${appSubnet}'
