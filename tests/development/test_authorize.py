"""Sign-in: what a page shows, what a client gets back, and what it never does."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from development.directory import DAEMON, USERS, VSCODE
from development.identity import TENANT
from shared.http import Response
from tests.development.support import API, REDIRECT, URL, Bench, claims_of, returned

ATTACK = "\"><script>alert('x')</script>&amp;"


class Reader(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(response: Response, status: int = 200) -> Reader:
    assert response.status == status
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    return Reader(response.body.decode())


def ticket(reader: Reader) -> str:
    (hidden,) = reader.named("input")
    assert (hidden["type"], hidden["name"]) == ("hidden", "ticket")
    return str(hidden["value"])


async def pick(bench: Bench, reader: Reader, user: str) -> Response:
    """Press a button of the page."""
    (form,) = reader.named("form")
    assert (form["method"], form["action"]) == ("post", f"/{TENANT}/login")
    return await bench.post("login", {"ticket": ticket(reader), "user": user})


async def test_a_hint_signs_in_at_once(bench: Bench) -> None:
    answer = returned(await bench.authorize())
    assert set(answer) == {"code", "state"}
    assert answer["state"] == "s t&a"


async def test_without_state_none_is_returned(bench: Bench) -> None:
    assert set(returned(await bench.authorize(state=None))) == {"code"}


async def test_a_page_lists_everybody_with_what_they_would_give(bench: Bench) -> None:
    reader = page(await bench.authorize(prompt=None, login_hint=None))
    buttons = reader.named("button")
    assert [button["value"] for button in buttons] == [*(user.login for user in USERS), ""]
    for user in USERS:
        assert user.name in reader.text
        assert user.about in reader.text
    assert "Scopes: read, write. Roles: finance.reader, ops." in reader.text
    assert "Scopes: read, write. Roles: none." in reader.text
    assert "Scopes: read. Roles: finance.reader, ops." in reader.text
    assert "Agents and the command line" in reader.text
    assert "http://localhost:3118" in reader.text


async def test_whoever_is_picked_is_signed_in(bench: Bench) -> None:
    reader = page(await bench.authorize(prompt=None, login_hint=None))
    answer = returned(await pick(bench, reader, "bruno@postern.example"))
    assert answer["state"] == "s t&a"
    _, given = await bench.redeem(answer["code"])
    assert claims_of(given["access_token"])["name"] == "Bruno Berg"


@pytest.mark.parametrize("prompt", [None, "login", "select_account", "consent", "login consent"])
async def test_a_hint_alone_signs_nobody_in(bench: Bench, prompt: str | None) -> None:
    reader = page(await bench.authorize(prompt=prompt, login_hint="clara@postern.example"))
    focused = [button["value"] for button in reader.named("button") if "autofocus" in button]
    assert focused == ["clara@postern.example"]


async def test_a_page_is_good_for_one_sign_in(bench: Bench) -> None:
    reader = page(await bench.authorize(prompt=None))
    returned(await pick(bench, reader, "alma@postern.example"))
    again = page(await pick(bench, reader, "alma@postern.example"), 400)
    assert "begin again in your client" in again.text


@pytest.mark.parametrize("given", ["", "nonsense"])
async def test_without_its_ticket_a_form_signs_nobody_in(bench: Bench, given: str) -> None:
    page(await bench.post("login", {"ticket": given, "user": "alma@postern.example"}), 400)


async def test_a_page_expires(bench: Bench) -> None:
    reader = page(await bench.authorize(prompt=None))
    bench.clock.now += 600
    page(await pick(bench, reader, "alma@postern.example"), 400)


@pytest.mark.parametrize("user", ["", "nobody"])
async def test_who_declines_sends_the_client_away(bench: Bench, user: str) -> None:
    reader = page(await bench.authorize(prompt=None))
    answer = returned(await pick(bench, reader, user))
    assert (answer["error"], answer["state"]) == ("access_denied", "s t&a")
    assert "AADSTS65004" in answer["error_description"]


def handed_over(response: Response) -> dict[str | None, str | None]:
    """What the form of a page takes to the client."""
    reader = page(response)
    (form,) = reader.named("form")
    assert (form["method"], form["action"]) == ("post", REDIRECT)
    assert (
        "form-action 'self' http://localhost:3118;" in response.headers["Content-Security-Policy"]
    )
    return {field["name"]: field["value"] for field in reader.named("input")}


async def test_an_answer_can_go_by_post(bench: Bench) -> None:
    answer = handed_over(await bench.authorize(response_mode="form_post", state=ATTACK))
    assert set(answer) == {"code", "state"}
    assert answer["state"] == ATTACK
    assert (await bench.redeem(str(answer["code"])))[0] == 200
    odd = f"{REDIRECT}?a=1&copy='2'"
    reader = page(await bench.authorize(response_mode="form_post", redirect_uri=odd))
    assert reader.named("form")[0]["action"] == odd
    refusal = handed_over(await bench.authorize(response_mode="form_post", login_hint="dario"))
    assert refusal["error"] == "access_denied"
    reader = page(await bench.authorize(response_mode="form_post", prompt=None))
    picked = handed_over(await pick(bench, reader, "alma@postern.example"))
    assert set(picked) == {"code", "state"}


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"response_type": "token"}, "unsupported_response_type", 70005),
        ({"response_type": None}, "invalid_request", 900144),
        ({"response_mode": "fragment"}, "invalid_request", 9002313),
        ({"code_challenge": None}, "invalid_request", 9002325),
        ({"code_challenge_method": None}, "invalid_request", 9002325),
        ({"code_challenge_method": "plain"}, "invalid_request", 9002325),
        ({"code_challenge": "short"}, "invalid_request", 501491),
        ({"scope": None}, "invalid_request", 900144),
        ({"scope": "read"}, "invalid_client", 650053),
        ({"scope": f"{API}/read https://vault.azure.net/.default"}, "invalid_request", 28000),
        ({"scope": "api://unknown/read"}, "invalid_resource", 500011),
        ({"resource": f"{URL}/"}, "invalid_target", 9010010),
        ({"resource": URL, "scope": "User.Read"}, "invalid_target", 9010010),
        ({"prompt": "none login"}, "invalid_request", 9002313),
        ({"prompt": "never"}, "invalid_request", 9002313),
        ({"login_hint": None}, "login_required", 50058),
        ({"login_hint": "nobody"}, "login_required", 50058),
        ({"login_hint": "dario"}, "access_denied", 50105),
        ({"login_hint": "clara", "scope": f"{API}/write"}, "consent_required", 65001),
        ({"claims": "nonsense"}, "invalid_request", 9002313),
    ],
)
async def test_what_a_client_does_wrong_is_told_to_it(
    bench: Bench, changes: dict[str, Any], error: str, code: int
) -> None:
    answer = returned(await bench.authorize(**changes))
    assert set(answer) == {"error", "error_description", "state"}
    assert (answer["error"], answer["state"]) == (error, "s t&a")
    assert answer["error_description"].startswith(f"AADSTS{code}: ")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_id": None}, 900144),
        ({"client_id": "nobody"}, 700016),
        ({"redirect_uri": None}, 900144),
        ({"client_id": DAEMON}, 50011),
        ({"redirect_uri": "https://evil.example/callback"}, 50011),
    ],
)
async def test_an_unknown_client_or_redirect_gets_a_page_and_no_redirect(
    bench: Bench, changes: dict[str, Any], code: int
) -> None:
    response = await bench.authorize(**changes)
    assert f"AADSTS{code}" in page(response, 400).text
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost",
        "http://localhost/",
        "http://LOCALHOST:1/x?y=z",
        "http://127.0.0.1:33418/",
        "http://127.9.9.9/callback",
        "http://[::1]:8080/callback",
    ],
)
async def test_redirects_lead_to_this_machine_on_any_port(bench: Bench, uri: str) -> None:
    response = await bench.authorize(redirect_uri=uri)
    assert response.status == 303
    location = response.headers["Location"]
    assert location.startswith(f"{uri}{'&' if '?' in uri else '?'}code=")
    assert dict(parse_qsl(urlsplit(location).query))["state"] == "s t&a"


@pytest.mark.parametrize(
    "uri",
    [
        "https://localhost/callback",
        "http://localhost.evil.example/",
        "http://evil.example/#http://localhost/",
        "http://localhost@evil.example/",
        "http://evil.example@localhost/",
        "http://evil.example\\@localhost/",
        "http://localhost\\.evil.example/",
        "http://localhost/#fragment",
        "http://localhost:99999/",
        "http://localhost:x/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::1",
        "http:///callback",
        "http:localhost",
        "//localhost/",
        "localhost",
        "javascript:alert(1)//localhost",
        "http://localhost/a\r\nSet-Cookie: a=b",
        "http://localhost/a b",
        "http://l\u00f6calhost/",
        "http://\uff4cocalhost/",
        "vscode://localhost/callback",
    ],
)
async def test_no_redirect_leads_anywhere_else(bench: Bench, uri: str) -> None:
    response = await bench.authorize(redirect_uri=uri)
    assert response.status == 400
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"prompt": None, "login_hint": ATTACK, "state": ATTACK, "nonce": ATTACK}, 200),
        ({"prompt": None, "redirect_uri": "http://localhost/'onclick='alert"}, 200),
        ({"client_id": ATTACK}, 400),
        ({"redirect_uri": f"http://evil.example/{ATTACK}"}, 400),
        ({"redirect_uri": f"http://localhost/{ATTACK}"}, 400),
    ],
)
async def test_nobody_writes_into_a_page(
    bench: Bench, changes: dict[str, Any], status: int
) -> None:
    response = await bench.authorize(**changes)
    reader = page(response, status)
    expected = {"html", "head", "meta", "title", "style", "body", "h1", "p", "small"}
    expected |= {"strong", "code", "form", "input", "button", "b"}
    assert {tag for tag, _ in reader.tags} <= expected
    assert not any(name.startswith("on") for _, found in reader.tags for name in found)
    assert ATTACK not in response.body.decode()


async def test_state_comes_back_as_it_was(bench: Bench) -> None:
    for state in (ATTACK, "ü%20\r\nX: y", "&code=other", "x" * 2000):
        response = await bench.authorize(state=state)
        assert returned(response)["state"] == state
        assert "\r" not in response.headers["Location"]


async def test_a_page_loads_nothing_and_leads_only_to_the_client(bench: Bench) -> None:
    response = await bench.authorize(prompt=None)
    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self' http://localhost:3118"
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", policy["style-src"])
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store"
    html = response.body.decode()
    assert not re.search(r"(src|href)=|url\(|@import|\son[a-z]+=", html)
    sixth = await bench.authorize(prompt=None, redirect_uri="http://[::1]:1/")
    assert "form-action 'self' http:;" in sixth.headers["Content-Security-Policy"]


async def test_the_style_is_the_one_the_policy_allows(bench: Bench) -> None:
    response = await bench.authorize(prompt=None)
    style = re.search(r"<style>(.*?)</style>", response.body.decode(), re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in response.headers["Content-Security-Policy"]


async def test_open_pages_are_bounded(bench: Bench) -> None:
    first = page(await bench.authorize(prompt=None))
    for _ in range(200):
        last = page(await bench.authorize(prompt=None))
    page(await pick(bench, first, "alma@postern.example"), 400)
    returned(await pick(bench, last, "alma@postern.example"))


async def test_visual_studio_code_is_known(bench: Bench) -> None:
    code = await bench.code(client_id=VSCODE)
    _, answer = await bench.redeem(code, client_id=VSCODE)
    assert claims_of(answer["access_token"])["azp"] == VSCODE
