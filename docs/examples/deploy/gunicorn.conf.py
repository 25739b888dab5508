"""For ``gunicorn "shop:create_app()"`` in the folder of this file."""

import os

bind = "0.0.0.0:8000"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 16  # a stream of events keeps one, and so does a request that waits
preload_app = True  # imports once; nothing is opened before the fork
timeout = 60  # seconds for a worker to show that it lives, not for a request
graceful_timeout = 200  # more than GEMINI_TIMEOUT, which a call may take
accesslog = "-"
