{
  const { api, domain } = document.currentScript.dataset
  foreign.init({ domain, endpoint: api, captureOnLocalhost: true, autoCapturePageviews: false })
  window.clickport = {
    track: (name, properties, revenue) =>
      foreign.track(name, { ...(properties && { props: properties }), ...(revenue && { revenue }) }),
  }
}
