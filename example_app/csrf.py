"""Forms that only our own pages can send: a token of the session goes along with each."""

from __future__ import annotations

import secrets

from flask import Flask
from flask import abort
from flask import request
from flask import session
from markupsafe import Markup


def init_app(app: Flask) -> None:
    """Check every form of the app, and give templates what goes into one."""
    app.before_request(check_csrf_token)
    app.add_template_global(csrf_field)


def csrf_field() -> Markup:
    """What each form has within it."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(csrf_token())


def csrf_token() -> str:
    """The session's token."""
    if "csrf_token" not in session:
        session["csrf_token"] = secrets.token_urlsafe()
    token: str = session["csrf_token"]
    return token


def check_csrf_token() -> None:
    """Refuse a POST without the session's token."""
    if request.method != "POST" or request.blueprint == "media":  # that takes JSON of this origin
        return
    expected: str = session.get("csrf_token", "")
    sent = request.form.get("csrf_token", "")
    if not expected or not secrets.compare_digest(sent.encode(), expected.encode()):
        abort(400, "This form is too old. Go back, reload the page and send it again.")
