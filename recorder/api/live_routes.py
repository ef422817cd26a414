"""Routes of what the recorder does now."""

from fastapi import APIRouter

router = APIRouter()
