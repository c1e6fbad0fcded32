"""``python -m conformance`` is ``clickport``."""

from conformance.cli import main

if __name__ == "__main__":
    main(prog_name="clickport")
