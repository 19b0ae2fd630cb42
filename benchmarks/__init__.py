"""Engine comparisons that can be trusted: the same work is proven before any time is shown."""
