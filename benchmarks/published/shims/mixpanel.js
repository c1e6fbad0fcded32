{
  const { api } = document.currentScript.dataset
  const mixpanel = foreign.default ?? foreign
  mixpanel.init('clickport', { api_host: new URL(api).origin, autocapture: false, track_pageview: false })
  window.clickport = {
    track: (name, properties, revenue) => mixpanel.track(name, { ...properties, ...revenue }),
  }
}
