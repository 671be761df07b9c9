"""The app for gunicorn (`gunicorn _wsgi:app`) and for `label-studio-ml start backend`."""

from seedbed_backend.app import create_app

app = create_app()
