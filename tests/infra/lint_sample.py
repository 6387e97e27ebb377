"""Bicep files without fault, and a way to break one of them and see what the lint says."""

from collections.abc import Iterable
from pathlib import Path

from infra.lint.__main__ import lint
from infra.lint.bicep_files import Finding

MAIN = """\
targetScope = 'subscription'

@description('Name of the environment.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('As whom tools call.')
@allowed(['JwtObo', 'None'])
param outboundType string = 'JwtObo'

@description('How many.')
@minValue(1)
param count int = 4

@secure()
@description('A password.')
@minLength(16)
param adminPassword string

var names = [for (name, index) in ['a', 'b']: '${name}${index}']
var loud = map(names, name => toUpper(name))

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: 'rg-${environmentName}'
  location: deployment().location
}

module app 'app.bicep' = if (outboundType != 'None') {
  name: 'app'
  scope: group
  params: {
    name: environmentName
    outboundType: outboundType
    count: count
    names: loud
    adminPassword: adminPassword
    privateNetwork: true
  }
}

@description('The URL that clients use.')
output MCP_URL string = app.?outputs.url ?? ''
"""

APP = """\
@description('Name of the app.')
@minLength(2)
param name string

@description('As whom tools call.')
@allowed(['JwtObo', 'None'])
param outboundType string

@description('How many.')
@minValue(1)
param count int

@description('Names.')
param names string[]

@secure()
@description('A password.')
@minLength(16)
param adminPassword string

@description('Whether networks are private.')
param privateNetwork bool

@description('Where.')
@minLength(1)
param location string = resourceGroup().location

// Storage Blob Data Owner: for the host.
var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var roles = 'Microsoft.Authorization/roleDefinitions'
var blobDataOwnerId = subscriptionResourceId(roles, blobDataOwner)

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: {
    names: join(names, ',')
    count: string(count)
  }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    encryption: {
      password: adminPassword
    }
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: 'id-${name}'
}

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, identity.id, blobDataOwner)
  scope: account
  properties: {
    roleDefinitionId: blobDataOwnerId
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource site 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  properties: {
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    siteConfig: {
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
      cors: {
        allowedOrigins: ['https://example.com']
      }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: site
  name: 'appsettings'
  properties: union({
    Authentication__DefaultScheme: 'Bearer'
    Server__ConfirmationKeys__0: '@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)'
  }, outboundType == 'JwtObo' ? {
    outboundAuthentication__type: outboundType
  } : {})
}

@description('The URL that clients use.')
output url string = 'https://${site.properties.defaultHostName}/mcp'
"""

PARAMETERS = """\
{
  "parameters": {
    "environmentName": { "value": "${AZURE_ENV_NAME}" },
    "count": { "value": "${COUNT=4}" },
    "adminPassword": { "value": "${ADMIN_PASSWORD}" }
  }
}
"""

SAMPLE = {"main.bicep": MAIN, "app.bicep": APP, "main.parameters.json": PARAMETERS}


def write(folder: Path) -> Path:
    """The sample's files in a folder."""
    for name, text in SAMPLE.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def break_one(folder: Path, file: str, old: str, new: str) -> str:
    """Replace a text of a file, which must be there, and return what the file now holds."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} does not hold {old!r}; change the test with it"
    broken = text.replace(old, new, 1)
    path.write_text(broken, encoding="utf-8")
    return broken


def assert_found(folder: Path, file: str, old: str, new: str, at: str, said: str) -> None:
    """Break a file; the lint says `said` of the line that holds `at` (first, where several do)."""
    broken = break_one(folder, file, old, new)
    line = broken[: broken.index(at)].count("\n") + 1
    found, _ = lint(folder)
    assert told(found, file, line, said), "\n".join(map(str, found)) or "nothing was found"


def told(found: Iterable[Finding], file: str, line: int, said: str) -> bool:
    return any(f.file == file and f.line == line and said in f.text for f in found)
