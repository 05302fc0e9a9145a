"""The Open Inference Protocol, version 2: over REST and, where a port is given for it, over gRPC."""
