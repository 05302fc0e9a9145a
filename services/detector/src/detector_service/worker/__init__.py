"""The process that works on jobs: has children compute, keeps what a try leaves to the next, hands over the result."""
