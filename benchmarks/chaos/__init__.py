"""Parts of a running installation are killed, slowed down and damaged, under load."""
