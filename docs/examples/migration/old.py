import os
import base64
import google.generativeai as genai
from google import genai as genaiClient
from google.genai.types import GenerateContentConfig, Modality

from celery import shared_task
from flask import current_app

from finance_ai.utils.sqlalchemy import db
from finance_ai.models.narrative import UserGoal
from finance_ai.config import Config as Oak_Config

import boto3
from botocore.client import Config

from PIL import Image
from io import BytesIO

@shared_task(bind=True, default_retry_delay=300, max_retries=5)
def generate_goal_image(self, goal_id: int):
    from finance_ai.app import create_app

    app = create_app()
    with app.app_context():
        goal = UserGoal.query.get(goal_id)
        if not goal:
            current_app.logger.error(f"Goal with ID {goal_id} not found")
            return

        # Get all the config values
        gemini_api_key = Oak_Config.GEMINI_API_KEY
        do_spaces_key = Oak_Config.DIGITALOCEAN_SPACES_KEY
        do_spaces_secret = Oak_Config.DIGITALOCEAN_SPACES_SECRET
        do_spaces_region = Oak_Config.DIGITALOCEAN_SPACES_REGION
        do_spaces_bucket = Oak_Config.DIGITALOCEAN_SPACES_BUCKET

        # Validate config
        if not all([gemini_api_key, do_spaces_key, do_spaces_secret,
                    do_spaces_region, do_spaces_bucket]):
            current_app.logger.error("Missing API keys or config")
            goal.image_generation_status = 'failed'
            db.session.commit()
            return

        # Configure Gemini
        genai.configure(api_key=gemini_api_key)

        # Update status
        goal.image_generation_status = 'generating'
        db.session.commit()

        # Build long prompt
        prompt = f"Generate a vibrant, inspiring, and visually appealing **square image** representing the financial goal: '{goal.name}'. Focus on positive achievement and future success. Examples could include: a dream home, a graduation cap, a travel destination, a retirement scene, a strong investment portfolio graph. Avoid text and specific currency symbols. Make it aspirational, professional, realistic and memorable. The image should evoke a sense of accomplishment and motivation, suitable for a personal finance application. Ensure the image is square-shaped to fit well in the app's interface. The image should reflect the theme of financial success and personal achievement, without any text or logos. My brand colors are blue and green, so consider using these colors in the image to align with our branding."

        goal.image_prompt = prompt
        db.session.commit()

        client = genaiClient.Client()
        try:
            # Generate image
            current_app.logger.info(f"Sending prompt to Gemini API for goal {goal.id}")

            response = client.models.generate_content(
                model="gemini-2.0-flash-preview-image-generation",
                contents=(prompt,),
                config=GenerateContentConfig(
                    response_modalities=[Modality.TEXT, Modality.IMAGE]
                ),
            )

            if not response.candidates:
                raise Exception("Gemini API did not return any candidates.")

            # Extract image
            generated_image_pil = None
            for part in response.candidates[0].content.parts:
                if part.inline_data:
                    generated_image_pil = Image.open(BytesIO(part.inline_data.data))
                    break

            if not generated_image_pil:
                raise Exception("No image found in Gemini API response")

            # Convert to bytes
            byte_stream = BytesIO()
            generated_image_pil.save(byte_stream, format='PNG')
            image_bytes = byte_stream.getvalue()
            image_extension = "png"

            # Configure S3 client
            session = boto3.session.Session()
            s3_client = session.client(
                's3',
                region_name=do_spaces_region,
                endpoint_url=f'https://{do_spaces_region}.digitaloceanspaces.com',
                aws_access_key_id=do_spaces_key,
                aws_secret_access_key=do_spaces_secret,
                config=Config(s3={'addressing_style': 'virtual'}),
            )

            # Build object key
            object_key = f"goals/{goal.id}/{goal.name.replace(' ', '_').lower()}_{goal.id}.{image_extension}"

            # Upload
            current_app.logger.info(f"Uploading image for goal {goal.id}")
            s3_client.put_object(
                Bucket=do_spaces_bucket,
                Key=object_key,
                Body=image_bytes,
                ACL='public-read',
                ContentType=f'image/{image_extension}'
            )

            # Build URL
            image_url = f"https://{do_spaces_bucket}.{do_spaces_region}.digitaloceanspaces.com/{object_key}"

            # Update goal
            goal.image_url = image_url
            goal.image_generation_status = 'completed'
            db.session.commit()

            current_app.logger.info(f"Successfully generated image for goal {goal.id}")

        except Exception as e:
            db.session.rollback()
            goal.image_generation_status = 'failed'
            current_app.logger.error(f"Failed to generate image: {e}", exc_info=True)
            db.session.commit()
            self.retry(exc=e)
