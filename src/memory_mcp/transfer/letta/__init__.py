"""Letta's agents: out of its agent files, a running server or its database, and into a file again.

Each door tells agents, blocks and messages in the words of Letta's own schemas, as an agent file
has them; what of that comes in is decided once, in `agents.py` and `messages.py`. So the same
agent is known again through whichever door it comes.
"""
