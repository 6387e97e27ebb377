"""Bicep's functions and decorators, each with the fewest and the most arguments it takes.

From the reference "Bicep functions"; what lists keys is left out on purpose (see `secrets.py`).
"""

ANY = 99
"""More arguments than anybody writes."""

FUNCTIONS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("newGuid", "deployer", "deployment", "environment"), (0, 0)),
    **dict.fromkeys(("resourceGroup", "tenant", "managementGroup"), (0, 2)),
    **dict.fromkeys(("subscription", "utcNow"), (0, 1)),
    **dict.fromkeys(
        (
            *("any", "base64", "base64ToJson", "base64ToString", "bool", "dataUri", "empty"),
            *(
                "dataUriToString",
                "dateTimeFromEpoch",
                "dateTimeToEpoch",
                "fail",
                "first",
                "flatten",
            ),
            *("int", "items", "json", "last", "length", "loadFileAsBase64", "nameof", "objectKeys"),
            *("parseCidr", "string", "toLower", "toUpper", "trim", "uriComponent"),
            "uriComponentToString",
        ),
        (1, 1),
    ),
    **dict.fromkeys(("loadTextContent", "loadDirectoryFileInfo"), (1, 2)),
    **dict.fromkeys(("loadJsonContent", "loadYamlContent"), (1, 3)),
    **dict.fromkeys(("array", "shallowMerge"), (1, 1)),
    **dict.fromkeys(("max", "min", "guid", "uniqueString", "coalesce"), (1, ANY)),
    **dict.fromkeys(("concat", "format", "intersection", "union"), (1, ANY)),
    **dict.fromkeys(
        (
            *("cidrHost", "contains", "endsWith", "filter", "groupBy", "indexOf", "join"),
            *("lastIndexOf", "map", "mapValues", "range", "skip", "sort", "split", "startsWith"),
            *("take", "uri"),
        ),
        (2, 2),
    ),
    "cidrSubnet": (3, 3),
    "dateTimeAdd": (2, 3),
    "extensionResourceId": (3, ANY),
    "padLeft": (2, 3),
    "pickZones": (3, 5),
    "reduce": (3, 3),
    "reference": (1, 3),
    "replace": (3, 3),
    "resourceId": (2, ANY),
    "subscriptionResourceId": (2, ANY),
    "tenantResourceId": (2, ANY),
    "managementGroupResourceId": (2, ANY),
    "substring": (2, 3),
    "toObject": (2, 3),
}

DECORATORS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("secure", "export", "sealed", "onlyIfNotExists"), (0, 0)),
    **dict.fromkeys(
        (
            *("description", "allowed", "minLength", "maxLength", "minValue", "maxValue"),
            *("metadata", "batchSize", "discriminator"),
        ),
        (1, 1),
    ),
}

METHODS = {"getSecret": (1, 2)}

PARAMETER_DEFAULTS_ONLY = {"newGuid", "utcNow"}
"""Functions whose value differs each time: for defaults of parameters and nothing else."""
