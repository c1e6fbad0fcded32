// A second tracker, in ES5, that decides every open point differently from the reference. Objects become JSON, null and
// undefined become empty text, a value that throws becomes "?", numeric text is an amount, currency codes are
// upper-cased, a number as the name is converted, long keys are cut, and nothing is sent on load. Bodies beyond the
// keepalive budget are sent by XMLHttpRequest.
(function (w, d) {
  'use strict'
  var fetch = w.fetch, stringify = JSON.stringify, nativeKeys = Object.keys
  var scripts = d.getElementsByTagName('script'), address = '', i
  var page = w.location.href + ' at ' + new Date().getTime()
  var pending = 0, unanswered = 0, leaving = false
  for (i = 0; i < scripts.length; i++) {
    if (/\/tracker\.js$/.test(scripts[i].src)) address = scripts[i].src.replace(/\/tracker\.js$/, '/api/event')
  }

  function whole(text) {
    return text.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, function (part) {
      return part.length === 2 ? part : '\ufffd'
    })
  }

  // The limit counts code points, which the protocol leaves open.
  function limited(text, most) {
    if (text.length <= most) return text
    var count = 0, at = 0
    while (at < text.length && count < most) {
      at += /^[\ud800-\udbff][\udc00-\udfff]/.test(text.substr(at, 2)) ? 2 : 1
      count++
    }
    return text.slice(0, at)
  }

  function plain(value) {
    try {
      if (value === null || value === undefined) return ''
      if (typeof value === 'symbol') return 'symbol'
      if (typeof value === 'object' && !(value instanceof Date)) return stringify(value) || '{}'
      return '' + value
    } catch (refused) {
      return '?'
    }
  }

  function json(text) {
    return stringify(whole(text))
  }

  function list(texts) {
    var out = '', at
    for (at = 0; at < texts.length; at++) out += (at ? ',' : '') + json(texts[at])
    return '[' + out + ']'
  }

  function described(properties) {
    var keys = [], values = [], names, at, value
    if (!properties || typeof properties !== 'object') return ''
    try {
      names = nativeKeys(properties)
    } catch (refused) {
      return ''
    }
    for (at = 0; at < names.length && at < 30; at++) {
      try {
        value = plain(properties[names[at]])
      } catch (refused) {
        value = '?'
      }
      keys.push(names[at].slice(0, 300))
      values.push(limited(whole(value), 2000))
    }
    return keys.length ? ',"mk":' + list(keys) + ',"mv":' + list(values) : ''
  }

  function earned(revenue) {
    var amount, currency
    try {
      amount = revenue.amount
      currency = revenue.currency
      if (typeof amount === 'string' && /^-?\d+(\.\d+)?$/.test(amount)) amount = parseFloat(amount)
      if (typeof amount !== 'number' || !isFinite(amount)) return ''
      currency = currency === undefined || currency === null ? 'USD' : String(currency).toUpperCase()
      return ',"ra":' + amount + ',"rc":' + json(currency.slice(0, 100))
    } catch (refused) {
      return ''
    }
  }

  // Keepalive for small bodies, few at a time: well below the browsers' limits.
  function deliver(body) {
    var size = new w.Blob([body]).size, late = false, sent
    if (pending + size > 61000 || unanswered >= 100) return post(body)
    pending += size
    unanswered++
    function over() {
      pending -= size
      unanswered--
    }
    try {
      sent = fetch.call(w, address, {
        body: body, mode: 'cors', credentials: 'omit', headers: undefined, keepalive: true, method: 'POST'
      })
    } catch (refused) {
      over()
      return
    }
    if (!sent || !sent.then) return over()
    // Two timers: the first ends with the task of the call, however long it is.
    w.setTimeout(function () {
      w.setTimeout(function () {
        late = true
      }, 150)
    })
    sent.then(function (answer) {
      return answer.blob()
    }).then(over, function () {
      over()
      // Rejected at once: other scripts use the budget. Later, or while the page is left, it may have arrived.
      if (!late && !w.closed && !leaving && d.visibilityState === 'visible') post(body)
    })
  }

  function watch(event) {
    leaving = event.type === 'pagehide'
  }
  w.addEventListener('pagehide', watch)
  w.addEventListener('pageshow', watch)

  function post(body) {
    var request = new w.XMLHttpRequest()
    request.open('POST', address)
    request.setRequestHeader('Content-Type', 'text/plain')
    request.send(body)
  }

  function track(name, properties, revenue) {
    var title
    try {
      title = typeof name === 'number' ? '' + name : name
      if (typeof title !== 'string' || !title) return
      deliver(
        '{"v":2,"n":' + json(title) + described(properties) + earned(revenue) + ',"t":"e","page":' + json(page) + '}'
      )
    } catch (refused) {
      // No exception may reach the page (API-5).
    }
  }

  if (!w.clickport || !w.clickport.independent) w.clickport = { independent: true, track: track }
})(window, document)
