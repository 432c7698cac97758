"""Geometry to native code: targets, a vector-IR builder, schedules, and the caches of what they make."""
