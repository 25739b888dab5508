"""The app that the container runs."""

import os

from flask import Flask
from flask import session

from flask_media import FlaskMedia

media = FlaskMedia()


def who_asks(request):
    """The id of who is signed in, or None."""
    return session.get("user")


def create_app():
    app = Flask(__name__, instance_path=os.environ.get("SHOP_INSTANCE", "/var/lib/shop"))
    app.config.from_prefixed_env()
    media.init_app(app)
    # Of gunicorn's 16 threads a process, four are left for everything else.
    files = media.create_blueprint(authorize=who_asks, max_streams=12)
    app.register_blueprint(files, url_prefix="/media")
    return app
