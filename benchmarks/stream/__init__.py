"""``liveshelf bench stream``: how fast the stream is, how fresh its features are, and where its time goes."""
