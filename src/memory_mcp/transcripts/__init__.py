"""Transcripts: hosts' own files of their sessions, one file a host here, read as events.

Hooks read on in them what no payload tells (words before a tool's use, words typed while the model
works), and importers read them whole, so that both know an event by the same key.
"""
