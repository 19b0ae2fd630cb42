"""The pages of the classroom in a real browser, headless."""
