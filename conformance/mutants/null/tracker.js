// A tracker that defines the function and sends nothing.
window.clickport = { track() {} }
