"""The router of everything under /v1: behind a token and the matrix, with the problems that any of it may answer."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from dispatch.api.access.permissions import permit
from dispatch.api.problems.problem import declared


def protected(tag: str) -> APIRouter:
    """A router whose every route is checked against the access matrix before anything else happens."""
    return APIRouter(prefix="/v1", tags=[tag], dependencies=[Depends(permit)], responses=declared())
