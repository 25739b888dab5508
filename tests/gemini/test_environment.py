# mypy: allow-untyped-calls
"""Environment variables, Vertex AI, forks, and faults of the SDK itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import google.auth
import google.auth.exceptions
import pytest
from google.oauth2.credentials import Credentials

from flask_media.config_checks import Secret
from flask_media.emulator import GeminiEmulator
from flask_media.errors import InvalidRequest
from flask_media.errors import NotConfigured
from flask_media.errors import ProviderRefused
from flask_media.errors import ProviderUnavailable
from flask_media.generators.gemini import GeminiGenerator

from ..faults import FaultServer
from ..faults import answer
from ..faults import fault_server
from .conftest import KEY
from .conftest import MakeGenerator
from .support import ask
from .support import assert_clean

HOSTILE = {
    "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9/hostile",
    "GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:9/hostile",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_GENAI_USE_ENTERPRISE": "true",
    "GOOGLE_GENAI_API_VERSION": "v9hostile",
    "GOOGLE_GENAI_CLIENT_MODE": "replay",
    "GOOGLE_GENAI_REPLAYS_DIRECTORY": "/nowhere",
    "GOOGLE_GENAI_REPLAY_ID": "hostile",
    "GOOGLE_API_KEY": "hostile-key",
    "GEMINI_API_KEY": "hostile-key-2",
    "GOOGLE_CLOUD_PROJECT": "hostile-project",
    "GOOGLE_CLOUD_LOCATION": "hostile-location",
}


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable of the SDK says something else."""
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Application default credentials that need no fetching."""
    token = Credentials("vertex-token")
    monkeypatch.setattr(google.auth, "default", lambda **_: (token, "default-project"))


VERTEX: dict[str, Any] = {
    "api_key": None,
    "vertexai": True,
    "project": "our-project",
    "location": "europe-west4",
}


@pytest.mark.usefixtures("hostile")
def test_environment_changes_nothing(emulator: GeminiEmulator, make: MakeGenerator) -> None:
    """No variable of the SDK takes the place of a config key."""
    assert make(emulator.url).generate(ask()).data
    sent = emulator.requests[0]
    assert sent.path == "/v1/models/gemini-nano-banana-2.1:generateContent"
    assert sent.headers["x-goog-api-key"] == KEY
    assert not any("hostile" in value for value in sent.headers.values())


@pytest.mark.usefixtures("hostile", "credentials")
def test_environment_changes_nothing_on_vertex(
    emulator: GeminiEmulator, make: MakeGenerator
) -> None:
    """On Vertex AI project, location and version are the config's, and no key goes along."""
    generator = make(emulator.url, **VERTEX | {"api_key": Secret(KEY), "api_version": "v1beta1"})
    assert generator.generate(ask()).data
    sent = emulator.requests[0]
    assert sent.path == (
        "/v1beta1/projects/our-project/locations/europe-west4/publishers/google/models/"
        "gemini-nano-banana-2.1:generateContent"
    )
    assert sent.headers["authorization"] == "Bearer vertex-token"
    assert "x-goog-api-key" not in sent.headers


@pytest.mark.parametrize("is_there", [True, False])
def test_a_key_that_flask_does_not_read(
    make: MakeGenerator, monkeypatch: pytest.MonkeyPatch, *, is_there: bool
) -> None:
    """The error names the variable that Flask reads; and the one without its prefix, if it is
    there."""
    if is_there:
        monkeypatch.setenv("GEMINI_API_KEY", "a-secret")
    with pytest.raises(NotConfigured, match="FLASK_GEMINI_API_KEY") as caught:
        make(None, api_key=None).check(ask())
    assert ("without FLASK_" in str(caught.value)) == is_there
    assert "a-secret" not in str(caught.value)


@pytest.mark.parametrize(("missing", "key"), [("project", "PROJECT"), ("location", "LOCATION")])
def test_vertex_needs(make: MakeGenerator, missing: str, key: str) -> None:
    """Vertex AI without a project or a location is refused by the config key's name."""
    with pytest.raises(NotConfigured, match=f"GEMINI_{key}"):
        make(None, **VERTEX | {missing: None}).check(ask())


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "https://aiplatform.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_vertex_hosts(location: str, host: str) -> None:
    """Each kind of location has its host."""
    from flask_media.generators.gemini_client import vertex_url

    assert vertex_url(location) == host


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(("mode", "key"), [("404", "GEMINI_LOCATION"), ("403", "credentials")])
def test_vertex_advice(emulator: GeminiEmulator, make: MakeGenerator, mode: str, key: str) -> None:
    """A refusal by Vertex AI names what there is to check there."""
    with pytest.raises(ProviderRefused, match=key):
        make(emulator.url, **VERTEX).generate(ask(model=f"stub-{mode}"))


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (google.auth.exceptions.DefaultCredentialsError("none"), NotConfigured),
        (google.auth.exceptions.TransportError("none"), ProviderUnavailable),
        (google.auth.exceptions.RefreshError("revoked"), NotConfigured),
        (google.auth.exceptions.RefreshError("503", retryable=True), ProviderUnavailable),
    ],
)
def test_vertex_without_credentials(
    emulator: GeminiEmulator,
    make: MakeGenerator,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    expected: type[Exception],
) -> None:
    """Missing credentials are a matter of config, unfetchable ones of the network."""

    def default(**_: object) -> object:
        raise raised

    monkeypatch.setattr(google.auth, "default", default)
    with pytest.raises(expected) as caught:
        make(emulator.url, **VERTEX).generate(ask())
    assert caught.value.__context__ is None
    assert emulator.calls == 0


TOKEN = answer(
    "200 OK",
    b'{"access_token": "fetched-token", "expires_in": 3600}',
    Content_Type="application/json",
)


@pytest.fixture
def token_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A server of tokens, which the application default credentials name."""
    with fault_server() as server:
        source = Credentials(
            None,
            refresh_token="refresh",
            token_uri=server.url,
            client_id="client",
            client_secret="client-secret",
        )
        monkeypatch.setattr(google.auth, "default", lambda **_: (source, "default-project"))
        yield server


def test_token_that_does_not_come(
    emulator: GeminiEmulator, make: MakeGenerator, token_server: FaultServer
) -> None:
    """A token server that never answers is given up at GEMINI_TIMEOUT, and asked afresh later."""
    given_up = threading.Event()

    def silence(_: object) -> None:
        given_up.wait(20)

    token_server.play(silence, TOKEN)
    generator = make(emulator.url, **VERTEX | {"timeout": 0.5})
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="no token came in time") as caught:
        generator.generate(ask())
    assert time.monotonic() - begun < 15
    assert caught.value.retryable
    assert_clean(caught.value)
    assert emulator.calls == 0
    later = make(emulator.url, **VERTEX)
    for _ in range(2):
        assert later.generate(ask()).data
    given_up.set()
    assert emulator.requests[-1].headers["authorization"] == "Bearer fetched-token"
    assert len(token_server.requests) == 2


def test_one_token_for_all(
    emulator: GeminiEmulator, make: MakeGenerator, token_server: FaultServer
) -> None:
    """Threads that need a token at the same time wait for the same one."""
    token_server.play(TOKEN)
    generator = make(emulator.url, **VERTEX)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: generator.generate(ask()).data, range(8)))
    assert len(answers) == emulator.calls == 8
    assert len(token_server.requests) == 1


def test_refused_token(
    emulator: GeminiEmulator, make: MakeGenerator, token_server: FaultServer
) -> None:
    """Credentials that Google refuses are a matter of config."""
    token_server.play(answer("400 Bad Request", b'{"error": "invalid_grant"}'))
    with pytest.raises(NotConfigured, match="invalid_grant") as caught:
        make(emulator.url, **VERTEX).generate(ask())
    assert_clean(caught.value)
    assert emulator.calls == 0


def test_http_library_that_is_not_there(
    emulator: GeminiEmulator, make: MakeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that can't be made says why and holds nothing."""
    monkeypatch.setitem(os.environ, "GOOGLE_GENAI_HTTP_CLIENT", "httpx")
    monkeypatch.setattr("google.genai._api_client.httpx", None)
    with pytest.raises(NotConfigured, match="GOOGLE_GENAI_HTTP_CLIENT") as caught:
        make(emulator.url).generate(ask())
    assert_clean(caught.value)


def test_request_that_the_sdk_refuses(emulator: GeminiEmulator, generator: GeminiGenerator) -> None:
    """What the SDK won't send is an invalid request, with no exception of the SDK around it."""
    with pytest.raises(InvalidRequest, match="can't send") as caught:
        generator.generate(ask("x", model="gemini/../x?y=z"))
    assert emulator.calls == 0
    assert_clean(caught.value)


SLOW_IMPORT = """
import sys, time
from flask_media.config_checks import Secret
from flask_media.generators.gemini import GeminiGenerator
from flask_media.values import GenerationRequest

class Slow:
    late = 0.0

    def find_spec(self, name, path=None, target=None):
        if name == "google.genai":
            self.late = 100.0  # seconds that this import takes, by the clock below

slow, monotonic = Slow(), time.monotonic
sys.meta_path.insert(0, slow)
time.monotonic = lambda: monotonic() + slow.late
generator = GeminiGenerator(api_key=Secret("k"), model="gemini-nano-banana-2.1",
                            base_url=sys.argv[1], api_version="v1", timeout=30.0)
assert generator.generate(GenerationRequest(prompt="a cat", width=64, height=64)).data
assert slow.late
"""


def test_import_is_not_counted(emulator: GeminiEmulator) -> None:
    """GEMINI_TIMEOUT begins when the SDK is imported, however long that took."""
    command = [sys.executable, "-W", "error", "-c", SLOW_IMPORT, emulator.url]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr


PRICES = """
import sys
from flask_media.config_checks import Secret
from flask_media.emulator import GeminiEmulator
from flask_media.generators.gemini import GeminiGenerator
from flask_media.values import GenerationRequest

loaded, slow = set(), {"genai_prices.data", "flask_media.generators.gemini_answer"}
with GeminiEmulator(width=64, height=64) as emulator:
    emulator.handler(lambda ask: loaded.update(slow & set(sys.modules)))
    generator = GeminiGenerator(api_key=Secret("k"), model="gemini-nano-banana-2.1",
                                base_url=emulator.url, api_version="v1", timeout=30.0)
    answer = generator.generate(GenerationRequest(prompt="a cat", width=64, height=64))
    generator.close()
assert answer.cost_usd
assert loaded == slow, loaded
"""


def test_paid_answer_waits_for_no_import() -> None:
    """The price list and the answer's reader are loaded before the request goes out."""
    command = [sys.executable, "-W", "error", "-c", PRICES]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr


FORKING = """
import os, sys, zlib
from concurrent.futures import ThreadPoolExecutor
from flask_media.config_checks import Secret
from flask_media.emulator.pictures import make_picture
from flask_media.generators.gemini import GeminiGenerator
from flask_media.values import GenerationRequest

generator = GeminiGenerator(api_key=Secret("k"), model="gemini-nano-banana-2.1",
                            base_url=sys.argv[1], api_version="v1", timeout=30.0)

def right(prompt):
    data = generator.generate(GenerationRequest(prompt=prompt, width=64, height=64)).data
    return data == make_picture("image/png", 16, 16, 0, zlib.crc32(prompt.encode()))

assert right("warm up")
if sys.argv[2] == "locked":
    generator._lock.acquire()  # as if another thread were inside when the fork came
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        with ThreadPoolExecutor(4) as pool:
            good = all(pool.map(right, [f"child {child} call {call}" for call in range(20)]))
        os._exit(0 if good else 1)
    children.append(pid)
codes = [os.waitpid(pid, 0)[1] for pid in children]
if sys.argv[2] == "locked":
    generator._lock.release()
assert codes == [0, 0, 0, 0], codes
assert right("the parent again")
"""


@pytest.mark.parametrize("state", ["free", "locked"])
def test_fork_after_use(state: str) -> None:
    """Children forked after a call each get the answers to their own requests."""
    with GeminiEmulator(width=16, height=16, vary=True) as emulator:
        command = [sys.executable, "-W", "error", "-c", FORKING, emulator.url, state]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 0, run.stderr
        assert emulator.calls == 82


def test_client_of_another_process_is_not_used(
    emulator: GeminiEmulator, generator: GeminiGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process id that changed without Python's fork hooks makes a new client all the same."""
    generator.generate(ask())
    monkeypatch.setattr(os, "getpid", lambda: -1)
    generator.generate(ask())
    assert emulator.connections == 2
