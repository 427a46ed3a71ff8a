"""The data that dispatchers and backends exchange."""
