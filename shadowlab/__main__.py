"""``python -m shadowlab``."""

from shadowlab.cli.main import main

if __name__ == "__main__":
    main()
