"""Import and export: one module a format. Services do the storing."""
