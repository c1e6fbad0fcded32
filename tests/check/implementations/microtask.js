/* A sound tracker that reads its arguments during the call and sends in a microtask, when the caller is done. */
(function () {
  if (window.clickport && !window.clickport.q) return;
  var fetch = window.fetch;
  var endpoint = document.currentScript.dataset.api;

  function text(value) {
    return String(value).replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, function (found) {
      return found.length === 2 ? found : '\ufffd';
    });
  }

  function cut(value) {
    var whole = text(value).slice(0, 2000);
    return /[\ud800-\udbff]$/.test(whole) ? whole.slice(0, -1) : whole;
  }

  function attempt(action) {
    try {
      action();
    } catch (error) {
      return;
    }
  }

  function send(body) {
    attempt(function () {
      fetch(endpoint, { method: 'POST', body: body, keepalive: true, credentials: 'omit' })['catch'](function () {});
    });
  }

  window.clickport = {
    track: function (name, properties, revenue) {
      if (typeof name !== 'string' || !name) return;
      var event = { t: 'e', n: text(name), mk: [], mv: [] };
      attempt(function () {
        if (!properties || typeof properties !== 'object') return;
        Object.keys(properties).slice(0, 30).forEach(function (key) {
          attempt(function () {
            event.mv.push(cut(properties[key]));
            event.mk.push(text(key));
          });
        });
      });
      attempt(function () {
        var amount = revenue && revenue.amount;
        if (typeof amount !== 'number' || !isFinite(amount)) return;
        event.rc = cut(revenue.currency || 'USD');
        event.ra = amount;
      });
      if (event.ra === undefined) delete event.rc;
      var body = JSON.stringify(event);
      Promise.resolve(body).then(send);
    },
  };
})();
