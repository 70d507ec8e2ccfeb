"""What concerns language models: token counts now, chat through LiteLLM with the shadow agent."""
