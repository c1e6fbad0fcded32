"""Results of a run: verdict, record, baseline, waivers, counterexamples."""
