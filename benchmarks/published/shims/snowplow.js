{
  const { api, domain } = document.currentScript.dataset
  foreign.newTracker('clickport', new URL(api).origin, { appId: domain })
  const schema = 'iglu:com.example/event/jsonschema/1-0-0'
  window.clickport = {
    track: (name, properties, revenue) =>
      foreign.trackSelfDescribingEvent({ event: { schema, data: { name, properties, revenue } } }),
  }
}
