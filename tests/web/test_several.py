"""Several blueprints on one app: each leads to its own routes, and opens no folder of another."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media import current_media

from .api import json_of
from .conftest import MakeApp
from .conftest import let_in

ROOT = {"X-Admin": "root"}
ANN = {"X-User": "ann"}


@pytest.fixture(params=["media", "admin"], ids="{} first".format)
def app(request: pytest.FixtureRequest, make_app: MakeApp) -> Flask:
    """An app with a blueprint for customers and one for admins, in either order."""
    media = FlaskMedia()
    app = make_app(
        media, MEDIA_GENERATOR="placeholder", MEDIA_STORAGE="memory", SECRET_KEY="a secret"
    )
    customers = media.create_blueprint(authorize=let_in)
    admins = media.create_blueprint(
        authorize=lambda request: request.headers.get("X-Admin"),
        object_key="admin/{spender}/{id}.webp",
        name="admin",
    )
    both = [customers, admins] if request.param == "media" else [admins, customers]
    for blueprint in both:
        app.register_blueprint(blueprint, url_prefix=f"/{blueprint.name}")
    return app


def _made(app: Flask, prefix: str, who: dict[str, str]) -> Any:
    client = app.test_client()
    headers = who | {"Prefer": "wait"}
    response = client.post(f"{prefix}/generate", json={"prompt": "x"}, headers=headers)
    assert response.status_code == 201, response.text
    return json_of(response)


@pytest.mark.parametrize(("prefix", "who"), [("/media", ANN), ("/admin", ROOT)])
def test_own_routes(prefix: str, who: dict[str, str], app: Flask) -> None:
    """Who asks one blueprint is led to its files route, which lets them in."""
    result = _made(app, prefix, who)
    assert result["url"].startswith(f"{prefix}/files/")
    assert app.test_client().get(result["url"], headers=who).status_code == 200


def test_folders_of_the_other(app: Flask) -> None:
    """The default keeps what is in another's folder of either blueprint from both."""
    theirs, hers = _made(app, "/admin", ROOT), _made(app, "/media", ANN)
    client = app.test_client()
    for prefix, who, result in (("/media", ANN, theirs), ("/admin", ROOT, hers)):
        response = client.get(f"{prefix}/files/{result['object_key']}", headers=who)
        assert response.status_code == 404


def test_outside_of_both(app: Flask) -> None:
    """Elsewhere in the app URLs lead to the blueprint that was registered first."""
    first = next(iter(app.blueprints))
    with app.app_context():
        assert current_media.url("house.png") == f"/{first}/files/house.png"
        assert current_media.signed_url("house.png").startswith(f"/{first}/files/house.png?")
    with app.test_request_context("/"):
        assert current_media.url("house.png") == f"/{first}/files/house.png"
