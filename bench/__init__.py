"""What memory-mcp costs and what it finds, measured beside its floors and its peers."""
