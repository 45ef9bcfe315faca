"""Signal types: each file a complete example of `gonkit.signal.Signal`."""
