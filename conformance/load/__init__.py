"""The load lane: send events at a rate, compare acknowledgements with rows (STORE-5), and measure."""
