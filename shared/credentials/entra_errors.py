"""What Entra refuses, in words for the caller: what is wrong and who can mend it.

The codes are those of Microsoft's list of AADSTS errors.
"""

import re
from collections.abc import Mapping
from typing import Any

from shared.credential import ClaimsChallenge, ConsentMissing, CredentialRefused
from shared.credentials.permissions import permission_for

_CODE = re.compile(r"AADSTS(\d+)")
_SIGN_IN_AGAIN = "Sign in again to get a new token for this endpoint"
_OPERATOR = "This is for the endpoint's operator to mend"

# {app} is the endpoint's application id, {resource} what was asked for.
_TEXTS = {
    50013: f"Entra ID does not take the token this call came with. {_SIGN_IN_AGAIN}.",
    50027: f"Entra ID does not take the token this call came with. {_SIGN_IN_AGAIN}.",
    500133: f"The token this call came with has expired. {_SIGN_IN_AGAIN}.",
    500131: "The token this call came with was not issued for the application {app}. "
    f"{_OPERATOR}: outboundAuthentication must name the registration that clients ask tokens for.",
    50057: "The account is disabled in Entra ID; an administrator can enable it.",
    50173: f"The sign-in behind the token this call came with has been revoked. {_SIGN_IN_AGAIN}.",
    53003: "Conditional Access does not let {resource} be called from here; an administrator can "
    "say which policy it is.",
    50105: "You are not assigned to {resource} in Entra ID; an administrator can assign you.",
    7000114: "Nobody can act on behalf of an application: on-behalf-of needs a user's token.",
    7000215: f"Entra ID does not take the client secret of the application {{app}}. {_OPERATOR}: "
    "set a valid one in outboundAuthentication (its value, not its id).",
    7000222: f"The client secret of the application {{app}} has expired. {_OPERATOR}: make a new "
    "one, or use FederatedManagedIdentity, which needs none.",
    700027: f"Entra ID does not take the certificate of the application {{app}}. {_OPERATOR}: "
    "upload the certificate that is in the vault to the app registration.",
    700024: f"The assertion of the application {{app}} is outside its time. {_OPERATOR}: is a "
    "clock wrong?",
    70021: f"The application {{app}} has no federated credential for this managed identity. "
    f"{_OPERATOR}: issuer, subject (the identity's principal id) and audience must match exactly.",
    700231: "Entra ID does not take a token of workload identity's as one of a managed identity. "
    f"{_OPERATOR}: in Kubernetes, use the kind SignedAssertionFile.",
    700016: f"The application {{app}} is not in this tenant. {_OPERATOR}: check its client id, or "
    "have an administrator of the tenant consent to it.",
    7000112: f"The application {{app}} is disabled. {_OPERATOR}.",
    90002: f"Entra ID knows no such tenant. {_OPERATOR}.",
    500011: "Entra ID knows no resource {resource} in this tenant. Is the scope right, and the "
    "service in use there?",
    70011: "Entra ID does not take the scope asked for: {resource}/.default is the usual form.",
    1002012: "Entra ID does not take the scope asked for: an application must ask for "
    "{resource}/.default.",
    650053: "The scope asked for does not exist on {resource}.",
    28000: "One token is for one resource; the scopes asked for name several.",
}
_SAME_AS = {700211: 70021, 700212: 70021, 700213: 70021, 70025: 70021, 7000229: 700016}
_CONSENT = {65001, 650057, 90094}
_STALE_CREDENTIAL = {7000215, 7000222, 700027, 700024}


def code_of(result: Mapping[str, Any]) -> int | None:
    """The AADSTS number of a refusal, when it has one."""
    codes = result.get("error_codes")
    if isinstance(codes, list) and codes and isinstance(codes[0], int):
        return codes[0]
    match = _CODE.search(str(result.get("error_description", "")))
    return int(match[1]) if match else None


def blames_credential(result: Mapping[str, Any]) -> bool:
    """Whether a newer secret or certificate of the application could help."""
    return code_of(result) in _STALE_CREDENTIAL


def refusal(result: Mapping[str, Any], app: str, resource: str) -> CredentialRefused:
    """The error for what MSAL returned instead of a token for the application `app` itself.

    Nothing but numbers is taken from Entra's own text.
    """
    code = code_of(result)
    text = _TEXTS.get(_SAME_AS.get(code or 0, code or 0), f"Entra ID gives no token. {_OPERATOR}.")
    return CredentialRefused(text.format(app=app, resource=resource) + _mark(code))


def refusal_on_behalf(
    result: Mapping[str, Any], app: str, authority: str, resource: str
) -> CredentialRefused:
    """The error for what MSAL returned instead of a token on behalf of a person.

    They may be able to do something about it: ClaimsChallenge, ConsentMissing. `authority` is the
    tenant's sign-in URL.
    """
    code, claims = code_of(result), result.get("claims")
    mark = _mark(code)
    if isinstance(claims, str) and claims:
        return ClaimsChallenge(
            f"{resource} asks for more proof of who you are, such as a second factor{mark}. "
            f"{_SIGN_IN_AGAIN} with these claims: {claims}",
            claims,
        )
    if code in _CONSENT or result.get("suberror") == "consent_required":
        return _consent(app, authority, resource, mark)
    if result.get("error") == "interaction_required" and code not in _TEXTS:
        text = f"Entra ID wants to ask you something before it lets {resource} be called for you"
        return CredentialRefused(f"{text}{mark}. {_SIGN_IN_AGAIN}.")
    return refusal(result, app, resource)


def _mark(code: int | None) -> str:
    return f" (AADSTS{code})" if code else ""


def _consent(app: str, authority: str, resource: str, mark: str) -> ConsentMissing:
    known = permission_for(resource)
    needed = f"a delegated permission of {resource}"
    if known is not None:
        needed = f"the delegated permission {known.permission} of {known.service} ({known.app_id})"
    return ConsentMissing(
        f"Nobody has consented that the application {app} calls {resource} on your behalf{mark}. "
        f"It needs {needed} on its registration; then an administrator consents at "
        f"{authority}/adminconsent?client_id={app}"
    )
