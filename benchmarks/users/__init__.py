"""``liveshelf bench users``: what a million shoppers cost the stream in memory, on disk, in pauses and in recovery."""
