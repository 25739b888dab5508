"""Files signed by the official C2PA library, with certificates that nobody trusts."""

from __future__ import annotations

import datetime
import json
from functools import cache
from io import BytesIO
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.oid import NameOID

from flask_media.options import ImageFormat

from .files import sample

GENERATOR = "Märchen-Kamera"


@cache
def _signer_info() -> tuple[bytes, bytes]:
    """Certificates and private key, as PEM."""
    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = _certificate("leaf", leaf, root, ca=False) + _certificate("root", root, root, ca=True)
    key = leaf.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return chain, key


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: ec.EllipticCurvePrivateKey, *, ca: bool
) -> bytes:
    def named(text: str) -> x509.Name:
        words = ((NameOID.ORGANIZATION_NAME, "Tests"), (NameOID.COMMON_NAME, text))
        return x509.Name([x509.NameAttribute(*word) for word in words])

    now, public, day = datetime.datetime.now(datetime.UTC), key.public_key(), datetime.timedelta(1)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    usage = x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False)
    builder = (
        x509.CertificateBuilder(named("root"), named(name), public, x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(authority, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(usage, critical=True)
    )
    if not ca:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(issuer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@cache
def signed(
    file_format: ImageFormat,
    data: bytes | None = None,
    *,
    version: int = 2,
    generator: str = GENERATOR,
) -> bytes:
    """A good file of that format (a sample, where none is given) with a signed manifest."""
    info = [{"name": generator, "version": "1.0"}]
    action = {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
    }
    manifest: dict[str, Any] = {
        "claim_version": version,
        "claim_generator_info": info,
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }
    chain, key = _signer_info()
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", chain, key, None))
    source, target = BytesIO(data or sample(file_format)), BytesIO()
    with signer, c2pa.Builder(manifest) as builder:
        builder.sign(signer, file_format.content_type, source, target)
    return target.getvalue()


def official(data: bytes, file_format: ImageFormat) -> dict[str, Any] | None:
    """The manifest that counts, as the official library reads it; None where it finds none."""
    try:
        with c2pa.Reader(file_format.content_type, BytesIO(data)) as reader:
            found = json.loads(reader.json())
    except c2pa.C2paError:
        return None
    manifest: dict[str, Any] = found["manifests"][found["active_manifest"]]
    return manifest
