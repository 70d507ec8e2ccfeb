"""What a secret looks like: its issuer's mark, the name it is given, or the frame around it.

Issuers publish the marks of their tokens so that they can be found; the formats are theirs, the
expressions are ours.
"""
