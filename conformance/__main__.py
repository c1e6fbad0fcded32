"""Entry point of ``python -m conformance``, the same as ``clickport``."""

from conformance.cli import main

if __name__ == "__main__":
    main(prog_name="clickport")
