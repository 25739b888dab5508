"""URLs of the files route, and links to it that let anybody in for a while."""

from __future__ import annotations

import hashlib
import time

from flask import Flask
from flask import has_request_context
from flask import request
from itsdangerous import Signer
from itsdangerous.encoding import want_bytes
from werkzeug.routing import BuildError

from ..errors import NotConfigured
from ..keys import quote_key
from ..registered import registered_on

TOKEN = "media_token"  # noqa: S105 - the name of one
"""Name of a link's token in its query; an ``authorize`` may have a ``token`` of its own there."""

PURPOSE = "flask-media/file"
"""What the signature is for: nothing else that the app signs with its SECRET_KEY is a link."""


def file_url(app: Flask, base: str | None, key: str) -> str | None:
    """The URL of a key: below the base, or, with None, of the blueprint's files route.

    :returns: None where there is no base and no such route.
    """
    return _route_url(app, {"key": key}) if base is None else f"{base}/{quote_key(key)}"


def signed_file_url(app: Flask, key: str, seconds: float) -> str:
    """The files route's URL of the key with a token that is good for so many seconds.

    :raises NotConfigured: the app has no SECRET_KEY, or no files route.
    """
    signer = _signer(app)
    if signer is None:
        raise NotConfigured(
            "Signed links need the app's SECRET_KEY, and it is not set. Set one that is secret and "
            "stays the same: app.config['SECRET_KEY'], or FLASK_SECRET_KEY in the environment "
            "where the app calls config.from_prefixed_env()."
        )
    expires = str(round((time.time() + seconds) * 1000))
    signature = signer.get_signature(_signed(expires, key)).decode()
    url = _route_url(app, {"key": key, TOKEN: f"{expires}.{signature}"})
    if url is None:
        raise NotConfigured(
            "Signed links lead to the blueprint's files route, and the app has none: "
            "app.register_blueprint(media.create_blueprint(authorize=...), url_prefix='/media')."
        )
    return url


def seconds_left(app: Flask, key: str, token: str) -> float:
    """How long the token is good for that key; 0 or less if it is not."""
    signer = _signer(app)
    expires, _, signature = token.partition(".")
    if signer is None or not signer.verify_signature(_signed(expires, key), signature):
        return 0.0
    return int(expires) / 1000 - time.time()


def _signed(expires: str, key: str) -> bytes:
    """What is signed. The key is not in the token: the URL has it, and may be 4 kB for one."""
    return f"{expires}.{key}".encode(errors="surrogatepass")


def _signer(app: Flask) -> Signer | None:
    """Signs with SECRET_KEY and takes what SECRET_KEY_FALLBACKS signed, as Flask's sessions do."""
    if not app.secret_key:
        return None
    older = app.config.get("SECRET_KEY_FALLBACKS") or ()
    # As text it would be taken apart, and each of its letters would do for a key.
    older = [older] if isinstance(older, str | bytes) else older
    # With an empty one anybody could sign.
    return Signer(
        [want_bytes(key) for key in (*older, app.secret_key) if key],
        salt=PURPOSE,
        key_derivation="hmac",
        digest_method=hashlib.sha256,
    )


def _route_url(app: Flask, values: dict[str, str]) -> str | None:
    names = registered_on(app.extensions).names
    if not names:
        return None
    # Who asks one blueprint need not be let in by another.
    here = request.blueprint if has_request_context() else None
    endpoint = f"{here if here in names else names[0]}.files"
    app.inject_url_defaults(endpoint, values)
    # Not url_for: within a request to another app it looks for the endpoint there.
    adapter = app.create_url_adapter(request) if has_request_context() else None
    if adapter is None:
        adapter = app.url_map.bind("localhost", script_name=app.config["APPLICATION_ROOT"])
    try:
        return adapter.build(endpoint, values)
    except BuildError as error:
        raise NotConfigured(
            f"The URL of the files route needs more than the key ({error}). Register the blueprint "
            "under a prefix without variables, or set MEDIA_FILES_URL."
        ) from None
