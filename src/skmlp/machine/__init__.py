"""The processor, the device, and warnings that point at the caller."""
