"""What every resource stands on, written once, as coroutines: `AsyncWire` waits, `BlockingWire` never suspends."""
