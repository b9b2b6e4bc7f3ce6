"""Streams without the bytes of removed entries.

Redis only marks an entry of a stream as removed. Its bytes stay, in memory and in what Redis writes to disk, for as
long as one of the hundred entries beside it is there. So the stream is copied, and the copy takes its place.
"""

from __future__ import annotations

from typing import Any

_AT_ONCE = 500
"""Entries in one call, during which Redis serves nobody else; some 2 ms."""

_ABANDONED_S = 600
"""A copy goes by itself where whoever made it has ended."""

_COPY = """
-- KEYS: stream, copy. ARGV: id behind which to begin, most entries, 1 to put the copy in place once all is there.
local last = ARGV[1]
while true do
  local entries = redis.call('XRANGE', KEYS[1], last, '+', 'COUNT', ARGV[2])
  for _, entry in ipairs(entries) do
    redis.call('XADD', KEYS[2], entry[1], unpack(entry[2]))
    last = '(' .. entry[1]
  end
  if #entries < tonumber(ARGV[2]) then break end
  if ARGV[3] == '0' then return last end
end
if ARGV[3] == '0' then return last end
if redis.call('EXISTS', KEYS[2]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for at = 1, #info, 2 do
    if info[at] == 'last-generated-id' then redis.call('XSETID', KEYS[2], info[at + 1]) end
  end
  redis.call('PERSIST', KEYS[2])
  redis.call('RENAME', KEYS[2], KEYS[1])
end
return last
"""


def rewrite_stream(client: Any, key: str) -> None:
    """Copy a stream, ids and all, some entries at a time; the last ones, and the exchange, are one step.

    What is trimmed from the stream meanwhile may be there again.
    """
    copy = f"{key}:copy"
    client.unlink(copy)
    last, before = "-", ""
    length = client.xlen(key)
    copied = 0
    run = client.register_script(_COPY)
    while copied < length and last != before:
        before = last
        last = run([key, copy], [last, _AT_ONCE, 0]).decode()
        copied += _AT_ONCE
        client.expire(copy, _ABANDONED_S)
    run([key, copy], [last, _AT_ONCE, 1])
