"""The scenarios that come with ShadowLab: listed, run, copied."""
