"""Routes and rules: asked of Linux (``tables``), and chosen among as Linux does for the fake (``memory``)."""
