{
  const { api } = document.currentScript.dataset
  foreign.init('clickport', {
    serverUrl: new URL('/2/httpapi', api).href,
    autocapture: false,
    remoteConfig: { fetchRemoteConfig: false },
  })
  window.clickport = {
    track: (name, properties, revenue) => foreign.track(name, { ...properties, ...revenue }),
  }
}
