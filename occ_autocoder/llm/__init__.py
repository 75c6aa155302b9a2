"""Language models: prompts, and what comes back. Nothing here knows of occupations."""
