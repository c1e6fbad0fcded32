"""The checks of the tracker and the server lane: ordinary tests over cases."""
