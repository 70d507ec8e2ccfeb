"""Import and export: one module a format. Formats become domain objects here, services store them."""
