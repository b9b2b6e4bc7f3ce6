"""A client of Liveshelf's API: slates, items, and events in the background.

with Client("http://127.0.0.1:8000", key="...") as client:
    client.track("view", user_id="anna", item_id="boot")
    for item in client.slate(user_id="anna", n=10).items:
        print(item.title, item.price_cents)
"""

from liveshelf_client.answers import Item, Slate, SlateItem
from liveshelf_client.buffer import BufferFull, EventBuffer, EventsNotSent
from liveshelf_client.client import AsyncClient, Client
from liveshelf_client.errors import LiveshelfError, NotFound, RefusedRequest, Unavailable

__all__ = [
    "AsyncClient",
    "BufferFull",
    "Client",
    "EventBuffer",
    "EventsNotSent",
    "Item",
    "LiveshelfError",
    "NotFound",
    "RefusedRequest",
    "Slate",
    "SlateItem",
    "Unavailable",
]
