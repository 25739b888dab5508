"""A door before a real S3 server, which refuses some requests as other stores do."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from urllib.parse import urlsplit

from ..faults import Answer
from ..faults import Request

Refuse = Callable[[Request], Answer | None]
"""Gives another answer for a request, or None to let it through."""


def door(
    upstream: str,
    refuse: Refuse = lambda _: None,
    change: Callable[[dict[str, str]], None] = lambda _: None,
) -> Answer:
    """Lets requests through to the server.

    :param refuse: says which not.
    :param change: changes the headers of the answers of the others.
    """

    def ask(request: Request) -> bytes | None:
        other = refuse(request)
        if other is not None:
            return other(request)
        lines = request.head.decode().split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        given = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        parts = urlsplit(upstream)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            connection.request(method, target, request.body, given)
            answer = connection.getresponse()
            body = answer.read()
            length = answer.headers.get("Content-Length", "0") if method == "HEAD" else len(body)
            headers = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in ("content-length", "transfer-encoding", "connection")
            }
        finally:
            connection.close()
        change(headers)
        head = [f"HTTP/1.1 {answer.status} {answer.reason}", f"Content-Length: {length}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*head, "", ""]).encode() + body

    return ask
