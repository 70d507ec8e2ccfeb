"""The least each figure could be: a server that does nothing, a row that is only committed."""
