"""Signal types, each a complete example of `gonkit.data.Signal`; `image` is the one to read first."""
