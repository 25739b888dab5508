"""A storage: pictures in a table of SQLite, shown by the app's own blueprint."""

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from flask_media import NotFound
from flask_media import ObjectStat
from flask_media.keys import quote_key
from flask_media.storage.base import Storage
from flask_media.storage.base import StoredFile
from flask_media.web import file_url
from flask_media.web import signed_file_url


class DatabaseStorage(Storage):
    def __init__(self, app):
        self._app = app
        self._file = Path(app.instance_path) / "pictures.sqlite3"

    @property
    def location(self):
        return f"database://{self._file}"

    def _run(self, sql, *values):
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._file, timeout=30)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS pictures (key PRIMARY KEY, stat, data)")
            return database.execute(sql, values).fetchone()

    def _found(self, key, column):
        row = self._run(f"SELECT stat, {column} FROM pictures WHERE key = ?", key)
        if row is None:
            raise NotFound(f"There is no picture {key!r} in the database.")
        return ObjectStat(**json.loads(row[0])), row[1]

    def _put(self, key, data, content_type, sha256, metadata, job_id):
        stat = {"size_bytes": len(data), "content_type": content_type, "metadata": metadata}
        stat |= {"sha256": sha256, "job_id": job_id or None}
        self._run("REPLACE INTO pictures VALUES (?, ?, ?)", key, json.dumps(stat), data)

    def _open(self, key):
        stat, data = self._found(key, "data")
        return StoredFile(io.BytesIO(data), stat)

    def _stat(self, key):
        return self._found(key, "NULL")[0]

    def _delete(self, key):
        self._run("DELETE FROM pictures WHERE key = ?", key)

    def _url(self, key):
        return file_url(self._app, None, key) or f"{self.location}#{quote_key(key)}"

    def _signed_url(self, key, seconds, method):
        return signed_file_url(self._app, key, seconds)
