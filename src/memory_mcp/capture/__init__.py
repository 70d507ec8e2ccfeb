"""Capture: one file a host, which reads its hooks' payloads and answers in its own shape."""
