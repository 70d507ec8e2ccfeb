"""Hosts: one file a host, which says where its configuration lies and what belongs in there."""
