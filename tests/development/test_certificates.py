"""The certificate for https on this machine, and an authority that is good for nothing else."""

import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from development import certificates
from development.private_files import NotPrivate
from tests.development.support import Clock

DAY = 86400.0


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def test_the_server_is_this_machine_and_nothing_else(tmp_path: Path) -> None:
    files = certificates.files_in(tmp_path / "kept", Clock())
    server, authority = certificate(files.server), certificate(files.authority)
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("::1"),
    ]
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.server)


def test_the_authority_cannot_vouch_for_others_and_its_key_is_gone(tmp_path: Path) -> None:
    files = certificates.files_in(tmp_path / "kept", Clock())
    authority = certificate(files.authority)
    limits = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    permitted = {str(name.value) for name in limits.value.permitted_subtrees or ()}
    assert permitted == {"localhost", "127.0.0.1/32", "::1/128"}
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (basic.ca, basic.path_length) == (True, 0)
    assert b"PRIVATE KEY" not in files.authority.read_bytes()
    assert files.server.read_bytes().count(b"BEGIN PRIVATE KEY") == 1


def test_they_are_kept_until_a_week_before_they_expire(tmp_path: Path) -> None:
    clock = Clock()
    files = certificates.files_in(tmp_path / "kept", clock)
    first = files.authority.read_bytes()
    clock.now += 80 * DAY
    certificates.files_in(tmp_path / "kept", clock)
    assert files.authority.read_bytes() == first
    clock.now += 4 * DAY
    certificates.files_in(tmp_path / "kept", clock)
    assert files.authority.read_bytes() != first
    certificate(files.server).verify_directly_issued_by(certificate(files.authority))


@pytest.mark.parametrize("name", ["authority", "server"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_what_is_missing_or_spoilt_is_made_anew(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    files = certificates.files_in(tmp_path / "kept", Clock())
    file: Path = getattr(files, name)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    certificates.files_in(tmp_path / "kept", Clock())
    certificate(files.server).verify_directly_issued_by(certificate(files.authority))


def test_files_that_do_not_belong_together_are_made_anew(tmp_path: Path) -> None:
    files = certificates.files_in(tmp_path / "one", Clock())
    other = certificates.files_in(tmp_path / "two", Clock())
    files.authority.write_bytes(other.authority.read_bytes())
    certificates.files_in(tmp_path / "one", Clock())
    certificate(files.server).verify_directly_issued_by(certificate(files.authority))


def test_a_key_others_can_read_is_refused(tmp_path: Path) -> None:
    files = certificates.files_in(tmp_path / "kept", Clock())
    files.server.chmod(0o640)
    with pytest.raises(NotPrivate):
        certificates.files_in(tmp_path / "kept", Clock())
