"""The agent loop, and the shadow agent that runs in it: what only a worker process does."""
