#!/bin/sh
# The Entra objects of entra.bicep with az commands, for tenants that do not allow the Microsoft Graph extension.
# -f: a star in an option is no list of files.
set -euf

here=$(cd "$(dirname "$0")" && pwd)
permissions=$here/permissions.json
visual_studio_code=aebc6443-996d-45c2-90f0-388ff96faa56
# guid('postern', 'access') of entra.bicep: scope and app role of one value must have one id.
access_id=6c10d2d5-6216-555e-9d78-7523393313ae
uri_refused='verified domain|HostNameNotOnVerifiedDomain|AsPerAppPolicy|nonDefaultUriAddition|uriAdditionWithoutUniqueTenantIdentifier'
guid='[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}'

usage() {
    cat <<'USAGE'
Registers the endpoint's API in Microsoft Entra ID, or brings it up to date. It can be run again at any time.

  infra/entra.sh --name postern-dev [options]

First pass, before the Function App exists:
  --name NAME          by which the application is found again: 3 to 80 letters, digits and hyphens
  --display-name TEXT  what people see when they consent; default: the name
  --scope NAME         scope and app role; default: access_as_user
  --toolsets A,B       toolsets that act as the user: their delegated permissions are asked for
  --clients ID,ID      client ids whose users are not asked for consent, besides Visual Studio Code
  --tenant ID          refuse to work in any other tenant

Second pass, the same and:
  --public-url URL     https://…/mcp, the URL that clients call: becomes the App ID URI
  --identity ID        principal id of the user-assigned identity that stands for the application

Needs az, signed in as somebody who may register applications (Application Developer, or any user
where the tenant allows it). Makes no secret. Talk goes to standard error; standard output is, in
the second pass, the App ID URI, and then the client id as the last line.
Status: 0 done, 1 refused by Azure or Entra, 2 wrong usage (nothing was changed).
USAGE
}

say() { printf '%s\n' "$*" >&2; }
wrong() { say "entra.sh: $*"; problems=$((problems + 1)); }
fits() { printf '%s' "$1" | tr '\n' '\001' | grep -Eqx "$2"; }

name='' display_name='' scope=access_as_user toolsets='' clients='' tenant='' public_url='' identity=''
problems=0
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --name | --display-name | --scope | --toolsets | --clients | --tenant | --public-url | --identity)
            [ $# -ge 2 ] || { say "entra.sh: $1 wants a value; see --help"; exit 2; }
            case $1 in
                --name) name=$2 ;;
                --display-name) display_name=$2 ;;
                --scope) scope=$2 ;;
                --toolsets) toolsets=$2 ;;
                --clients) clients=$2 ;;
                --tenant) tenant=$2 ;;
                --public-url) public_url=$2 ;;
                --identity) identity=$2 ;;
            esac
            shift 2 ;;
        *) say "entra.sh: unknown option $1; see --help"; exit 2 ;;
    esac
done
[ -n "$display_name" ] || display_name=$name

fits "$name" '[A-Za-z0-9-]{3,80}' || wrong '--name: expected 3 to 80 letters, digits and hyphens'
[ "$display_name" = "$name" ] || fits "$display_name" '[A-Za-z0-9 ._-]{1,80}' || wrong '--display-name: expected 1 to 80 letters, digits, spaces and . _ -'
fits "$scope" '[A-Za-z0-9._-]{1,120}' || wrong '--scope: expected 1 to 120 letters, digits and . _ -'
[ -z "$tenant" ] || fits "$tenant" "$guid" || wrong '--tenant: expected a GUID'
[ -z "$identity" ] || fits "$identity" "$guid" || wrong '--identity: expected a GUID, the principal id and not the client id'
[ -z "$public_url" ] || fits "$public_url" 'https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)+' ||
    wrong '--public-url: expected https://<host>/<path> without a slash at its end'
for client in $(printf '%s' "$clients" | tr ',' ' '); do
    fits "$client" "$guid" || wrong "--clients: $client is no GUID"
done
for toolset in $(printf '%s' "$toolsets" | tr ',' ' '); do
    fits "$toolset" '[a-z0-9_]+' && grep -q "\"toolsets\": \[[^]]*\"$toolset\"" "$permissions" ||
        wrong "--toolsets: no toolset $toolset in permissions.json"
done
[ "$problems" -eq 0 ] || { say 'Nothing was changed.'; exit 2; }

command -v az >/dev/null || { say 'entra.sh: az, the Azure CLI, is not on the path. Nothing was changed.'; exit 1; }
signed_in=$(az account show --query tenantId --output tsv 2>/dev/null) ||
    { say "entra.sh: az is not signed in. Run: az login${tenant:+ --tenant $tenant}"; say 'Nothing was changed.'; exit 1; }
[ -z "$tenant" ] || [ "$(printf '%s' "$tenant" | tr A-F a-f)" = "$(printf '%s' "$signed_in" | tr A-F a-f)" ] || {
    say "entra.sh: az is signed in to the tenant $signed_in, not $tenant. Run: az login --tenant $tenant"
    say 'Nothing was changed.'
    exit 1
}
tenant=$signed_in
cloud=$(az cloud show --query name --output tsv)
case $cloud in
    AzureCloud) login=https://login.microsoftonline.com audience=api://AzureADTokenExchange ;;
    AzureUSGovernment) login=https://login.microsoftonline.us audience=api://AzureADTokenExchangeUSGov ;;
    AzureChinaCloud) login=https://login.partner.microsoftonline.cn audience=api://AzureADTokenExchangeChina ;;
    *) say "entra.sh: the cloud $cloud is not known here. Nothing was changed."; exit 1 ;;
esac
graph=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv)
graph=${graph%/}/v1.0
application="$graph/applications(uniqueName='$name')"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

# put URL: creates or updates what the URL names, from standard input. What Graph said stays in $folder/said.
put() {
    cat >"$folder/body.json"
    az rest --method patch --url "$1" --headers Prefer=create-if-missing Content-Type=application/json \
        --body "@$folder/body.json" --only-show-errors >/dev/null 2>"$folder/said"
}

stop() {
    cat "$folder/said" >&2
    if grep -Eq 'Authorization_RequestDenied|Insufficient privileges' "$folder/said"; then
        say 'You may not register or change this application. Have an administrator, or its owner, run this command:'
        say "  infra/entra.sh --name $name --scope $scope${toolsets:+ --toolsets $toolsets}${clients:+ --clients $clients}${public_url:+ --public-url $public_url}${identity:+ --identity $identity}"
    elif grep -q 'uniqueName already exists' "$folder/said"; then
        say "An application $name was deleted less than 30 days ago. Restore it, delete it for good, or take another name."
    elif grep -q 'identifierUris already exists' "$folder/said"; then
        say "Another application has the App ID URI $public_url. Remove it there first."
    fi
    say "entra.sh: $1 failed. What was done before stays; run the command again when the reason is mended."
    exit 1
}

listed() { printf '%s' "$1" | tr ',' '\n' | sed 's/.*/"&"/' | paste -sd, -; }

required=''
for toolset in $(printf '%s' "$toolsets" | tr ',' ' '); do
    required="$required
$(sed -n "/\"toolsets\": \[[^]]*\"$toolset\"/s/.*\"resourceAppId\": \"\([^\"]*\)\", \"id\": \"\([^\"]*\)\".*/{\"resourceAppId\":\"\1\",\"resourceAccess\":[{\"id\":\"\2\",\"type\":\"Scope\"}]}/p" "$permissions")"
done
required=$(printf '%s\n' "$required" | sed '/^$/d' | sort -u | paste -sd, -)
pre_authorized=$(printf '%s\n' "$visual_studio_code" "$(printf '%s' "$clients" | tr ',' '\n')" | sed '/^$/d' | sort -u |
    sed "s/.*/{\"appId\":\"&\",\"delegatedPermissionIds\":[\"$access_id\"]}/" | paste -sd, -)
call="Call the tools of $display_name"
which="$call. Which ones is decided there, for each caller."

say "The application $name in the tenant $tenant"
put "$application" <<BODY || stop 'Registering the application'
{
  "displayName": "$display_name",
  "description": "An MCP endpoint. Its scope and its app role admit callers; what they may call is configured there.",
  "signInAudience": "AzureADMyOrg",
  "api": {
    "requestedAccessTokenVersion": 2,
    "oauth2PermissionScopes": [{
      "id": "$access_id", "value": "$scope", "type": "User", "isEnabled": true,
      "adminConsentDisplayName": "$call", "adminConsentDescription": "$which",
      "userConsentDisplayName": "$call", "userConsentDescription": "$which"
    }],
    "preAuthorizedApplications": [$pre_authorized]
  },
  "appRoles": [{
    "id": "$access_id", "value": "$scope", "allowedMemberTypes": ["Application"], "isEnabled": true,
    "displayName": "$call", "description": "$which"
  }],
  "requiredResourceAccess": [$required],
  "optionalClaims": {"accessToken": [{"name": "idtyp"}]}
}
BODY
client_id=$(az rest --method get --url "$application?\$select=appId" --query appId --output tsv 2>"$folder/said") ||
    stop 'Reading the application back'

# A new application is not known everywhere in the directory at once.
tries=1
until put "$graph/servicePrincipals(appId='$client_id')" <<BODY
{"displayName": "$display_name"}
BODY
do
    [ "$tries" -lt 6 ] || stop 'Making its service principal'
    tries=$((tries + 1))
    sleep 5
done

if [ -n "$identity" ]; then
    say "The identity $identity stands for it"
    put "$graph/applications(appId='$client_id')/federatedIdentityCredentials(name='managed-identity')" <<BODY || stop 'The federated credential'
{
  "description": "The managed identity of the endpoint stands for this application.",
  "issuer": "$login/$tenant/v2.0", "subject": "$identity", "audiences": ["$audience"]
}
BODY
fi

if [ -n "$public_url" ]; then
    app_id_uri=$public_url
    if ! put "$application" <<BODY
{"identifierUris": [$(listed "$public_url,api://$client_id")]}
BODY
    then
        grep -Eqi "$uri_refused" "$folder/said" || stop 'The App ID URI'
        app_id_uri=api://$client_id
        put "$application" <<BODY || stop 'The App ID URI'
{"identifierUris": ["$app_id_uri"]}
BODY
        say "The tenant refuses $public_url as an App ID URI. It has $app_id_uri now."
        say 'Lost: clients that name the URL they call when they ask for a token (most MCP clients) get AADSTS9010010.'
        say 'Applications with client_credentials and scopes of api:// still work.'
        say 'Ask an administrator to exempt this application from the policy identifierUriConfiguration, or use a domain'
        say 'that is verified in the tenant. Then run this command again.'
    fi
    say "App ID URI: $app_id_uri"
    printf '%s\n' "$app_id_uri"
fi
printf '%s\n' "$client_id"
