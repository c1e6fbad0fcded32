"""Results of a run: verdict, run record, baseline, waivers, counterexamples, redaction."""
