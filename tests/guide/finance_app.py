"""The app of the migration guide, its media code as printed there but for the import line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import click
from celery import shared_task
from flask import Flask
from flask import current_app
from flask import jsonify
from flask import request

from flask_media import ImageGenerationConfig
from flask_media import ImageQuality
from flask_media import ImageSize
from flask_media import ImageTheme
from flask_media import StorageProvider
from flask_media import get_image_generation_service


class Oak_Config:  # noqa: N801 - the guide's name
    """The guide's config object; the tests set its values."""

    GEMINI_API_KEY: str | None = None
    GEMINI_BASE_URL: str | None = None
    DIGITALOCEAN_SPACES_KEY: str | None = None
    DIGITALOCEAN_SPACES_SECRET: str | None = None
    DIGITALOCEAN_SPACES_REGION = "fra1"
    DIGITALOCEAN_SPACES_BUCKET: str | None = None


class Goal(SimpleNamespace):
    """A row of the guide's ``UserGoal``."""

    id: int
    name: str
    user_id: int
    image_url: str | None
    image_prompt: str | None
    image_generation_status: str


GOALS: dict[int, Goal] = {}
"""The guide's database."""

STATUSES: list[str] = []
"""What was committed, in order."""


class UserGoal:
    """The guide's model, as far as the task uses it."""

    class query:  # noqa: N801 - the guide's name
        """Finds goals."""

        @staticmethod
        def get(goal_id: int) -> Goal | None:
            """The goal of that id."""
            return GOALS.get(goal_id)


class db:  # noqa: N801 - the guide's name
    """The guide's database session, as far as the task uses it."""

    class session:  # noqa: N801 - the guide's name
        """Remembers what it was told to commit."""

        @staticmethod
        def commit() -> None:
            """Note the status of all goals."""
            STATUSES.extend(goal.image_generation_status for goal in GOALS.values())

        @staticmethod
        def rollback() -> None:
            """Nothing is pending."""


def init_services(app: Flask) -> None:
    """Initialize services at app startup"""
    with app.app_context():
        # Initialize image generation service
        image_service = get_image_generation_service()

        # Configure Gemini API
        if Oak_Config.GEMINI_API_KEY:
            image_service.configure_gemini(Oak_Config.GEMINI_API_KEY)

        # Configure Storage
        if all(
            [
                Oak_Config.DIGITALOCEAN_SPACES_KEY,
                Oak_Config.DIGITALOCEAN_SPACES_SECRET,
                Oak_Config.DIGITALOCEAN_SPACES_BUCKET,
            ]
        ):
            image_service.configure_storage(
                provider=StorageProvider.DIGITALOCEAN_SPACES,
                region=Oak_Config.DIGITALOCEAN_SPACES_REGION,
                bucket=Oak_Config.DIGITALOCEAN_SPACES_BUCKET,
                access_key=Oak_Config.DIGITALOCEAN_SPACES_KEY,
                secret_key=Oak_Config.DIGITALOCEAN_SPACES_SECRET,
            )


def create_app() -> Flask:
    """The guide's factory; the config stands for the deployment's environment."""
    app = Flask(__name__)
    app.config.update(EXTRA_CONFIG)
    init_services(app)

    @app.route("/api/generate-image", methods=["POST"])
    def api_generate_image() -> Any:
        service = get_image_generation_service()
        result = service.generate_and_upload(
            prompt=request.json["prompt"],
            object_key=request.json["path"],
        )
        return jsonify({"url": result["url"]})

    @app.cli.command("generate-sample-images")
    @click.argument("concepts", nargs=-1)
    def generate_sample_images(concepts: tuple[str, ...]) -> None:
        service = get_image_generation_service()
        # Generate multiple images
        for concept in concepts:
            service.generate_and_upload(prompt=concept, object_key=f"samples/{concept}.png")

    return app


EXTRA_CONFIG: dict[str, Any] = {}
"""Where the servers of the tests are."""


@shared_task(bind=True, default_retry_delay=300, max_retries=5)
def generate_goal_image(self: Any, goal_id: int) -> str | None:
    """The guide's task."""
    app = create_app()
    with app.app_context():
        goal = UserGoal.query.get(goal_id)
        if not goal:
            current_app.logger.error(f"Goal with ID {goal_id} not found")  # noqa: G004
            return None

        try:
            # Get service (already configured at app startup)
            service = get_image_generation_service()

            # Update status
            goal.image_generation_status = "generating"
            db.session.commit()

            # Generate and upload (single call!)
            result = service.generate_and_upload(
                prompt=f"Visual representation of financial goal: {goal.name}",
                object_key=f"goals/{goal.id}/{goal.name.replace(' ', '_').lower()}.png",
                metadata={
                    "goal_id": str(goal.id),
                    "user_id": str(goal.user_id) if hasattr(goal, "user_id") else None,
                    "goal_name": goal.name,
                },
            )

            # Update goal
            goal.image_url = result["url"]
            goal.image_prompt = result["prompt"]
            goal.image_generation_status = "completed"
            db.session.commit()

            current_app.logger.info(f"Successfully generated image for goal {goal.id}")  # noqa: G004
            return result["url"]  # type: ignore[no-any-return]

        except Exception as e:
            db.session.rollback()
            goal.image_generation_status = "failed"
            current_app.logger.error(f"Failed to generate image: {e}", exc_info=True)  # noqa: G004, G201
            db.session.commit()
            self.retry(exc=e)
            raise


def customisations(goal: Goal) -> list[Any]:
    """The guide's three customisation options."""
    service = get_image_generation_service()
    config = ImageGenerationConfig(
        size=ImageSize.BANNER,  # 1920x1080
        quality=ImageQuality.HIGH,
    )
    banner = service.generate_and_upload(
        prompt=f"Visual for: {goal.name}",
        object_key=f"goals/{goal.id}/banner.png",
        config=config,
    )
    config = ImageGenerationConfig(
        theme=ImageTheme.ILLUSTRATION,  # or MINIMALIST, PROFESSIONAL, etc.
    )
    illustration = service.generate_and_upload(
        prompt=f"Visual for: {goal.name}",
        object_key=f"goals/{goal.id}/illustration.png",
        config=config,
    )
    config = ImageGenerationConfig(brand_colors=["#0066CC", "#00AA66", "#FFD700"])
    branded = service.generate_and_upload(
        prompt=f"Visual for: {goal.name}",
        object_key=f"goals/{goal.id}/branded.png",
        config=config,
    )
    return [banner, illustration, branded]
