"""The CBOR of manifests: read as the standard says, refused where it is none."""

from __future__ import annotations

import pytest

from flask_media.imaging import cbor


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x00", 0),
        (b"\x38\x63", -100),
        (b"\x1b" + b"\xff" * 8, 2**64 - 1),
        (b"\xf9\x3c\x00", 1.0),
        (b"\xfb\x3f\xf8" + bytes(6), 1.5),
        (b"\xf4", False),
        (b"\xf5", True),
        (b"\xf8\x20", None),
        (b"\xc1\x01", 1),
        (b"\x5f\x41a\x41b\xff", b"ab"),
        (b"\xa1\x80\x01", {}),
        (b"\x83\x01\x20\x43abc", [1, -1, b"abc"]),
    ],
)
def test_cbor(data: bytes, value: object) -> None:
    """Values of each kind are read as RFC 8949 says."""
    assert cbor.load(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1c",
        b"\x1f",
        b"\x62a",
        b"\x82\x01",
        b"\x9b" + b"\xff" * 8,
        b"\xc1" * 40,
        b"\xff",
        b"\x7f\x41a\xff",
        b"\xfc",
        b"\x9f" + b"\x00" * 30_000,
    ],
)
def test_no_cbor(data: bytes) -> None:
    """What is no CBOR, is cut off or has no end in sight is one error."""
    with pytest.raises(ValueError, match=r"cut off|too|no "):
        cbor.load(data)
