"""A queue: the consumers of the app's Huey make the pictures."""

from huey import crontab

from flask_media import QueueUnavailable
from flask_media import current_media
from flask_media.jobs.messages import MessageQueue


class HueyQueue(MessageQueue):
    def __init__(self, app, runner):
        super().__init__(runner)
        self._task = app.extensions["huey_pictures"]

    def send(self, kind, subject, tries=0, delay=0.0):
        try:
            self._task.schedule((kind, subject, tries), delay=delay)
        except Exception as error:  # of the store that Huey keeps its messages in
            raise QueueUnavailable(f"Huey is out of reach: {error}") from error


def init_huey(app, huey):
    """Make the app's tasks, where it asks and in the consumer."""

    @huey.task()
    def work(kind, subject, tries):
        with app.app_context():
            current_media.queue.work(kind, subject, tries)

    @huey.periodic_task(crontab(minute="*"))
    def resume():
        with app.app_context():
            current_media.queue.resume()

    app.extensions["huey_pictures"] = work
