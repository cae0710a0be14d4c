"""One HTML file about a pretraining run: what was trained, how it went, what it learned."""
