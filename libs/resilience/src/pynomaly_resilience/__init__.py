"""Circuit breakers, deadlines and retries for asyncio."""
