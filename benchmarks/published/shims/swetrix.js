{
  // Swetrix sends nothing if the browser is automated.
  Object.defineProperty(Navigator.prototype, 'webdriver', { get: () => false, configurable: true })
  const { api } = document.currentScript.dataset
  const swetrix = window.swetrix
  swetrix.init('clickport', { apiURL: new URL('/log', api).href, devMode: true })
  window.clickport = {
    track: (name, properties) => swetrix.track({ ev: name, ...(properties && { meta: properties }) }),
  }
}
