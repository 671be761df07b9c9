"""The server side: web process, workers, engine, filters, store."""
