"""`/metrics`, as Prometheus reads it."""

from fastapi import APIRouter

router = APIRouter()
