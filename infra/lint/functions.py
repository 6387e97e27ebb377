"""Bicep's functions and decorators, from its reference; what lists keys is left out on purpose."""

_FUNCTIONS = """
    any array base64 base64ToJson base64ToString bool cidrHost cidrSubnet coalesce concat contains
    dataUri dataUriToString dateTimeAdd dateTimeFromEpoch dateTimeToEpoch deployer deployment empty
    endsWith environment extensionResourceId fail filter first flatten format getSecret groupBy guid
    indexOf int intersection items join json last lastIndexOf length loadDirectoryFileInfo
    loadFileAsBase64 loadJsonContent loadTextContent loadYamlContent managementGroup
    managementGroupResourceId map mapValues max min nameof newGuid objectKeys padLeft parseCidr
    pickZones range reduce reference replace resourceGroup resourceId shallowMerge skip sort split
    startsWith string subscription subscriptionResourceId substring take tenant tenantResourceId
    toLower toObject toUpper trim union uniqueString uri uriComponent uriComponentToString utcNow"""
_DECORATORS = """
    allowed batchSize description discriminator maxLength maxValue metadata minLength minValue
    onlyIfNotExists secure"""
FUNCTIONS = frozenset((_FUNCTIONS + _DECORATORS).split())
