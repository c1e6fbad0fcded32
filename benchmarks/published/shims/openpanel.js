{
  const { api } = document.currentScript.dataset
  const openpanel = new foreign.OpenPanel({ clientId: 'clickport', apiUrl: new URL(api).origin })
  window.clickport = {
    track: (name, properties, revenue) =>
      openpanel.track(name, { ...properties, ...(revenue && { __revenue: revenue.amount }) }),
  }
}
