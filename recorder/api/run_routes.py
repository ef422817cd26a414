"""Routes of the history of runs."""

from fastapi import APIRouter

router = APIRouter()
