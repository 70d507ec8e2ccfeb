"""What a secret looks like: tokens by their issuer's mark, values by their name, frames around them.

Issuers publish the marks of their tokens so that they can be found; the formats are theirs, the
expressions are ours.
"""
