"""A page that does nothing: what server and client alone take."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def nothing(_: Request) -> Response:
    """No content."""
    return Response()


app = Starlette(routes=[Route("/", nothing)])
