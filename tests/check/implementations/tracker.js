/* A small conformant tracker in the ES5 style of vendor snippets; the tests put faults into it. */
(function (window, document) {
  'use strict';

  var script = document.currentScript;
  var endpoint = /^https?:\/\/[^\/]+/.exec(script.src)[0] + '/api/event';
  var early = (window.clickport && window.clickport.q) || [];

  function text(value) {
    return String(value).substring(0, 2000);
  }

  // An exception of the page's code loses only the value that was being read.
  function attempt(action) {
    try {
      return action();
    } catch (error) {
      return undefined;
    }
  }

  function push(event, key, properties) {
    attempt(function () {
      event.mv.push(text(properties[key]));
      event.mk.push(key);
    });
  }

  function message(name, properties, revenue) {
    var event = { t: 'e', n: name, d: script.getAttribute('data-domain'), mk: [], mv: [] };
    var keys = properties && typeof properties === 'object' ? Object.keys(properties) : [];
    var limit = Math.min(keys.length, 30);
    for (var i = 0; i < limit; i += 1) {
      push(event, keys[i], properties);
    }
    attempt(function () {
      if (revenue && typeof revenue.amount === 'number' && isFinite(revenue.amount)) {
        event.ra = revenue.amount;
        event.rc = revenue.currency || 'USD';
      }
    });
    return JSON.stringify(event);
  }

  function send(body) {
    window.fetch(endpoint, { method: 'POST', body: body, keepalive: true })['catch'](function () {});
  }

  function track(name) {
    var call = arguments;
    if (typeof name === 'string' && name !== '') {
      attempt(function () {
        send(message.apply(null, call));
      });
    }
  }

  window.clickport = { track: track };
  early.forEach(function (call) {
    track.apply(null, call);
  });
})(window, document);
