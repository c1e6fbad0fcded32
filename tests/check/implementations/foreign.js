/* A tracker of another protocol: other names, batches of a task's calls, base64 in a form, and a greeting. */
(function (window) {
  'use strict';

  var waiting = [];
  var settings = null;

  function base64(text) {
    return window.btoa(unescape(encodeURIComponent(text)));
  }

  function post(path, message) {
    var body = 'data=' + encodeURIComponent(base64(JSON.stringify(message)));
    window.fetch(settings.collector + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: body,
      keepalive: true
    })['catch'](function () {});
  }

  function flush() {
    post('/collect?v=2', { batch: waiting.splice(0) });
  }

  window.elsewhere = {
    start: function (given) {
      settings = given;
      post('/hello', { hello: 'there' });
    },
    report: function (label, fields, worth) {
      waiting.push({ label: label, fields: fields || {}, worth: worth || null });
      if (waiting.length === 1) {
        Promise.resolve().then(flush);
      }
    }
  };
})(window);
