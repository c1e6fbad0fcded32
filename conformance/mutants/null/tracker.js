// A tracker that does nothing.
window.clickport = { track() {} }
