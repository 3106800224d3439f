"""The receiver: judges who may write what, stores each batch once, and answers."""
