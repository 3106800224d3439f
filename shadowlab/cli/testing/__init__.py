"""Networks in tests: what pytest finds when ShadowLab is installed."""
