// A tracker that is there and does nothing.
window.clickport = { track() {} }
