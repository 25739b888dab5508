"""Links to the documentation of other projects, from a table: no inventory has to be fetched."""

from __future__ import annotations

from docutils import nodes

PYTHON = {
    "library/stdtypes": ["bytearray", "memoryview"],
    "library/pathlib": ["pathlib.Path"],
    "library/decimal": ["decimal.Decimal"],
    "library/datetime": ["datetime.date", "datetime.datetime", "datetime.timedelta"],
    "library/collections.abc": [
        f"collections.abc.{name}"
        for name in ("Callable", "Iterable", "Iterator", "Mapping", "Sequence")
    ],
    "library/typing": ["typing.Any", "typing.BinaryIO", "typing.IO", "typing.Self"],
    "library/enum": ["enum.Enum", "enum.StrEnum"],
    "library/ssl": ["ssl.SSLContext"],
    "library/exceptions": [
        "ValueError",
        "RuntimeError",
        "TypeError",
        "AssertionError",
        "Exception",
    ],
    "library/abc": ["abc.ABC"],
}
OTHERS = {
    "flask.Flask": "https://flask.palletsprojects.com/en/stable/api/#flask.Flask",
    "flask.app.Flask": "https://flask.palletsprojects.com/en/stable/api/#flask.Flask",
    "flask.Blueprint": "https://flask.palletsprojects.com/en/stable/api/#flask.Blueprint",
    "flask.wrappers.Request": "https://flask.palletsprojects.com/en/stable/api/#flask.Request",
    "werkzeug.middleware.proxy_fix.ProxyFix": (
        "https://werkzeug.palletsprojects.com/en/stable/middleware/proxy_fix/"
    ),
    "jinja2.BaseLoader": "https://jinja.palletsprojects.com/en/stable/api/#jinja2.BaseLoader",
    "jinja2.loaders.BaseLoader": "https://jinja.palletsprojects.com/en/stable/api/#jinja2.BaseLoader",
}
URLS = OTHERS | {
    name: f"https://docs.python.org/3/{page}.html#{name}"
    for page, names in PYTHON.items()
    for name in names
}
# An annotation that autodoc can't evaluate keeps its short name.
URLS |= {
    name.rpartition(".")[2]: URLS[name]
    for name in (
        "flask.Flask",
        "pathlib.Path",
        "decimal.Decimal",
        "datetime.date",
        "datetime.datetime",
        "datetime.timedelta",
    )
}


def link(_app, _env, node, content):
    """The link of a name of another project, None for a name that is not in the table."""
    url = URLS.get(node["reftarget"])
    return nodes.reference("", "", content, refuri=url, internal=False) if url else None


def setup(app):
    """Answer what Sphinx itself does not find."""
    app.connect("missing-reference", link)
    return {"parallel_read_safe": True}
