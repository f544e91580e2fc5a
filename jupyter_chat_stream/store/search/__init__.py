"""Full-text search: words, queries, matches and the index of messages."""
