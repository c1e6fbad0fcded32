{
  const { api } = document.currentScript.dataset
  const posthog = foreign.posthog
  posthog.init('phc_clickport', {
    api_host: new URL(api).origin,
    autocapture: false,
    capture_pageview: false,
    disable_session_recording: true,
    disable_external_dependency_loading: true,
    advanced_disable_flags: true,
    opt_out_useragent_filter: true,
  })
  window.clickport = {
    track: (name, properties, revenue) => posthog.capture(name, { ...properties, ...revenue }),
  }
}
