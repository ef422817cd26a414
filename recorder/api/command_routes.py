"""Routes of what changes something: runs, notes, alarms, set-values."""

from fastapi import APIRouter

router = APIRouter()
