from celery import shared_task
from flask import current_app

from finance_ai.utils.sqlalchemy import db
from finance_ai.models.narrative import UserGoal

from flask_media import MediaError, current_media

@shared_task(bind=True, default_retry_delay=300, max_retries=5)
def generate_goal_image(self, goal_id: int):
    from finance_ai.app import create_app

    app = create_app()
    with app.app_context():
        goal = UserGoal.query.get(goal_id)
        if not goal:
            current_app.logger.error(f"Goal with ID {goal_id} not found")
            return

        # Update status
        goal.image_generation_status = 'generating'
        db.session.commit()

        try:
            result = current_media.generate_and_upload(
                prompt=f"Visual representation of financial goal: {goal.name}",
                object_key=f"goals/{goal.id}/{goal.name.replace(' ', '_').lower()}_{goal.id}.png",
                metadata={"goal_id": goal.id, "goal_name": goal.name},
            )

            # Update goal
            goal.image_url = result.url
            goal.image_prompt = result.prompt
            goal.image_generation_status = 'completed'
            db.session.commit()

            current_app.logger.info(f"Successfully generated image for goal {goal.id}")

        except Exception as e:
            db.session.rollback()
            goal.image_generation_status = 'failed'
            current_app.logger.error(f"Failed to generate image: {e}", exc_info=True)
            db.session.commit()
            if isinstance(e, MediaError) and not e.retryable:
                raise
            self.retry(exc=e)
