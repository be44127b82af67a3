"""Mail servers on 127.0.0.1, with and without encryption, and settings that lead there."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from gateway_notify import MailSettings
from gateway_notify.testing import MailServer, started

from gateway.contracts import Context

NOW = datetime.datetime(2026, 11, 23, 8, 0, tzinfo=datetime.UTC)


@pytest.fixture
def server() -> Iterator[MailServer]:
    """Without encryption."""
    with started(MailServer()) as one:
        yield one


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, signed by itself: certificate and key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture(params=["starttls", "tls"])
def safe_server(request: Any, certificate: Path) -> Iterator[tuple[MailServer, str]]:
    """With encryption, later or from the first byte, and which it is."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with started(MailServer(tls=tls, from_start=request.param == "tls")) as one:
        yield one, request.param


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(system="mail", root=tmp_path, mapping=None, now=lambda: NOW)


@pytest.fixture
def settings(server: MailServer) -> dict[str, Any]:
    return MailSettings().load({
        "host": "127.0.0.1", "port": server.port, "security": "none", "from": "Leads <leads@example.com>",
    })  # fmt: skip
